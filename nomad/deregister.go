package nomad

import (
	"context"
	"fmt"
	"net/http"
	"time"
)

// stopPatience is how long Nomad may take to decide that the allocations of a
// stopped job are to stop.
const stopPatience = 30 * time.Second

// Deregister stops a job that is there, and returns once Nomad means its
// allocations to stop. With purge Nomad then forgets the job, its versions
// included. Data on volumes and in directories stays in either case.
//
// A stop right after the success of a deployment was seen to leave the
// allocation running (Nomad 1.11), so it is asked for until it has an effect.
func (c *Cluster) Deregister(ctx context.Context, id string, purge bool) error {
	over := time.After(stopPatience)
	for {
		if _, _, err := c.client.Jobs().Deregister(id, false, c.write(ctx)); err != nil {
			return fmt.Errorf("deregister job %s: %w", id, Readable(err))
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-over:
			return fmt.Errorf("job %s was told to stop, and Nomad lets its allocations run on after %s", id, stopPatience)
		case <-time.After(pollEvery):
		}
		stubs, _, err := c.client.Jobs().Allocations(id, false, c.query(ctx))
		if gone := statusOf(err) == http.StatusNotFound; !gone {
			if err := answered(stubs, err); err != nil {
				return fmt.Errorf("read allocations of job %s: %w", id, err)
			}
		}
		running := 0
		for _, stub := range stubs {
			if stub.DesiredStatus == "run" && !stubEnded(stub.ClientStatus) {
				running++
			}
		}
		if running == 0 {
			break
		}
	}
	if !purge {
		return nil
	}
	if _, _, err := c.client.Jobs().Deregister(id, true, c.write(ctx)); err != nil {
		return fmt.Errorf("purge job %s: %w", id, Readable(err))
	}
	return nil
}

func stubEnded(clientStatus string) bool {
	return clientStatus == "complete" || clientStatus == "failed" || clientStatus == "lost"
}
