package archive

import (
	"path/filepath"
	"testing"
	"time"

	"appliance/e2e/internal/harness"
)

// TestS3 archives to a bucket, whose server is away for a while. Nothing is
// purged then, and it goes on by itself.
func TestS3(t *testing.T) {
	t.Parallel()
	g := harness.StartGateway(t)
	dir, env := dataDir(t), g.Env()
	env["APPLIANCE_ARCHIVE_STORE"] = g.URL("of/tempo")
	archive := filepath.Join(g.Bucket(), "of", "tempo")
	a := harness.Start(t, brief(dir, env))
	saw := watch(t, harness.BlocksDir(dir))
	w := newWaves(t, gentle)
	w.to(a)
	w.send(100 * time.Second) // some blocks are archived and not purged yet
	g.Stop(t)
	w.next()
	doubted(t, a, "store_unavailable")
	mustPurgeNothing(t, a, w)
	g.Start(t)
	goesOn(t, a, w)
	w.mustHold(harness.BlocksDir(dir), archive)
	w.mustAnswer(harness.API(a.Read), 2)
	saw.mustBeKept(t, archive)
	c := commands{dataDir: dir, env: env}
	c.mustBeWhole(t)
	c.mustFind(t, w)

	// It starts while the server is away, and takes spans.
	a.Stop(t)
	g.Stop(t)
	a = harness.Start(t, brief(dir, env))
	w.to(a)
	w.send(5 * time.Second)
	doubted(t, a, "store_unavailable")
	g.Start(t)
	w.stop()
	archived(t, a, 2*time.Minute)
	w.mustHold(harness.BlocksDir(dir), archive)
}
