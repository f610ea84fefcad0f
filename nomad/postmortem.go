package nomad

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/nomad/api"
)

const (
	lastEvents  = 6
	lastLines   = 8
	logBytes    = 4 << 10
	logPatience = 5 * time.Second
)

// postMortem says what became of an allocation: the last events of its tasks,
// the checks that fail, and what the tasks printed last. What cannot be read is
// left out; the reason why the deployment failed stands without it.
func (c *Cluster) postMortem(ctx context.Context, stub *api.AllocationListStub) []string {
	lines := []string{fmt.Sprintf("allocation %s (%s on %s): %s, %s", short(stub.ID), stub.TaskGroup, stub.NodeName, stub.ClientStatus, stub.ClientDescription)}
	if checks, err := c.client.Allocations().Checks(stub.ID, c.query(ctx)); err == nil && complete(checks) == nil {
		for _, id := range slices.Sorted(maps.Keys(checks)) {
			if k := checks[id]; k.Status != "success" {
				lines = append(lines, fmt.Sprintf("  check %q of service %s: %s, %s", k.Check, k.Service, k.Status, firstLine(k.Output)))
			}
		}
	}
	for _, task := range slices.Sorted(maps.Keys(stub.TaskStates)) {
		events := stub.TaskStates[task].Events
		for _, e := range events[max(0, len(events)-lastEvents):] {
			lines = append(lines, fmt.Sprintf("  %s task %s: %s", time.Unix(0, e.Time).Format(time.TimeOnly), task, eventText(e)))
		}
		for _, stream := range []string{"stderr", "stdout"} {
			for _, l := range c.lastLog(ctx, stub, task, stream) {
				lines = append(lines, fmt.Sprintf("  %s | %s", stream, l))
			}
		}
	}
	return lines
}

func (c *Cluster) lastLog(ctx context.Context, stub *api.AllocationListStub, task, stream string) []string {
	ctx, cancel := context.WithTimeout(ctx, logPatience)
	defer cancel()
	// Only the id is used, and the servers pass the request on to the node.
	frames, failed := c.client.AllocFS().Logs(&api.Allocation{ID: stub.ID, NodeID: stub.NodeID}, false, task, stream, api.OriginEnd, logBytes, ctx.Done(), c.query(ctx))
	if frames == nil {
		return nil
	}
	var text bytes.Buffer
	for {
		select {
		case frame, more := <-frames:
			if !more {
				return lastOf(text.String())
			}
			text.Write(frame.Data)
		case err, open := <-failed:
			if err != nil || !open { // what came until then is all there is
				return lastOf(text.String())
			}
		case <-ctx.Done():
			return lastOf(text.String())
		}
	}
}

func lastOf(text string) []string {
	text = strings.TrimSpace(text)
	if text == "" {
		return nil
	}
	lines := strings.Split(text, "\n")
	return lines[max(0, len(lines)-lastLines):]
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(s), "\n")
	return line
}
