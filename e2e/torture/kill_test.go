package torture

import (
	"context"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"appliance/e2e/internal/harness"
	"appliance/e2e/internal/oracle"
)

// clients is an ordinary load: enough that commits are shared, not so much that everything waits.
var clients = oracle.Shape{Clients: 8, SpansPerSecond: 4000}

// TestApplianceKilled kills the appliance at random times, again and again on the same directory.
func TestApplianceKilled(t *testing.T) {
	killEachOther(t, times(15, 1000), 100, func(t *testing.T, a *harness.Appliance) {
		within(t, 1200*time.Millisecond)
		kill(t, a)
	})
}

// TestTempoKilled kills the embedded Tempo while it has spans that it acknowledged and did not write yet, some of them of traces that
// stay open all the time.
func TestTempoKilled(t *testing.T) {
	o := oracle.New(t, 200)
	a := harness.Start(t, quick(t, "", nil))
	o.Target(a.IntakeURL())
	o.Start(clients)
	kills := times(5, 100)
	for range kills {
		within(t, 4*time.Second)
		killTempo(t, a)
	}
	t.Logf("measured: %s: %d kills of Tempo, answers %v", t.Name(), kills, o.Counts().Answers)
	judge(t, o, a, 2*time.Minute)
}

// TestBothKilled kills Tempo and, shortly after or at once, the appliance.
func TestBothKilled(t *testing.T) {
	killEachOther(t, times(3, 100), 20, func(t *testing.T, a *harness.Appliance) {
		within(t, 3*time.Second)
		killTempo(t, a)
		within(t, 300*time.Millisecond)
		kill(t, a)
	})
}

// killEachOther lets end finish one appliance after the other while clients send; perDir of them share a directory.
func killEachOther(t *testing.T, kills, perDir int, end func(*testing.T, *harness.Appliance)) {
	for done := 0; done < kills; done += perDir {
		n := min(perDir, kills-done)
		t.Run("", func(t *testing.T) {
			o, dir := oracle.New(t, 200), dataDir(t)
			o.Start(clients)
			var a *harness.Appliance
			for range n {
				a = harness.Launch(t, quick(t, dir, nil))
				o.Target(a.IntakeURL())
				takes(t, a)
				balanced(t, a)
				end(t, a)
			}
			a = harness.Start(t, quick(t, dir, nil))
			t.Logf("measured: %s: %d kills, answers %v", t.Name(), n, o.Counts().Answers)
			judge(t, o, a, 2*time.Minute)
		})
	}
}

// killTempo kills the Tempo that there is, and waits for the next.
func killTempo(t *testing.T, a *harness.Appliance) {
	t.Helper()
	tempo, ok := a.TempoChild(t)
	if !ok {
		return // it is being started
	}
	if err := syscall.Kill(tempo.Pid, syscall.SIGKILL); err != nil && err != syscall.ESRCH {
		t.Fatalf("kill %s: %v", tempo, err)
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
