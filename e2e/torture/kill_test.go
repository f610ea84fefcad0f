package torture

import (
	"context"
	"math/rand/v2"
	"testing"
	"time"

	"appliance/e2e/internal/harness"
	"appliance/e2e/internal/oracle"
)

// clients is an ordinary load: enough that commits are shared, not so much that everything waits.
var clients = oracle.Shape{Clients: 8, SpansPerSecond: 4000}

// TestApplianceKilled kills the appliance at random times, again and again on
// the same directory: before it has made a block, and while it makes, merges,
// archives and purges them.
func TestApplianceKilled(t *testing.T) {
	const perDir = 100
	kills := times(15, 1000)
	for done := 0; done < kills; done += perDir {
		n := min(perDir, kills-done)
		t.Run("", func(t *testing.T) {
			o, dir := oracle.New(t, 200), dataDir(t)
			o.Start(clients)
			var a *harness.Appliance
			for i := range n {
				a = harness.Launch(t, quick(t, dir, shortLived()))
				o.Target(a.IntakeURL())
				takes(t, a)
				balanced(t, a)
				within(t, []time.Duration{1200 * time.Millisecond, 6 * time.Second}[i%2])
				kill(t, a)
			}
			a = harness.Start(t, quick(t, dir, shortLived()))
			t.Logf("measured: %s: %d kills, answers %v", t.Name(), n, o.Counts().Answers)
			judge(t, o, a, 2*time.Minute)
		})
	}
}

// within waits for a random time up to d.
func within(t testing.TB, d time.Duration) { wait(t, time.Duration(rand.Int64N(int64(d)))) }

// wait lets the load go on for d.
func wait(t testing.TB, d time.Duration) {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	<-ctx.Done()
}
