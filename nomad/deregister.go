package nomad

import (
	"context"
	"fmt"
)

// Deregister stops a job that is there. With purge Nomad forgets it, its versions included. Data on volumes and
// directories stays in either case.
func (c *Cluster) Deregister(ctx context.Context, id string, purge bool) error {
	if _, _, err := c.client.Jobs().Deregister(id, purge, c.write(ctx)); err != nil {
		return fmt.Errorf("deregister job %s: %w", id, Readable(err))
	}
	return nil
}
