package e2e

import (
	"net/http"
	"testing"
	"time"

	"appliance/e2e/internal/harness"
)

// readySoon is how long a start on an empty directory may take until spans are
// taken, by the promise for an idle machine.
const readySoon = 300 * time.Millisecond

// TestColdStart measures a start on an empty directory until the appliance is
// ready, and until a trace has gone in and come out. The bound leaves room for
// a machine that does something else as well; the figures are in the log.
func TestColdStart(t *testing.T) {
	started := time.Now()
	a := harness.Launch(t, harness.Options{})
	a.WaitReady(t)
	ready := time.Since(started)
	// Ready means ready: the first try has to do.
	request, ids := harness.NewRequest("first", 1, 2)
	answer, err := a.Export(t.Context(), request)
	if err != nil || answer.Status != http.StatusOK {
		t.Fatalf("send right after ready: %v, %+v", err, answer)
	}
	a.MustFind(t, withSpans(ids, 2))
	t.Logf("cold start: ready after %.2f s (promised: %.1f s), a trace written and read after %.2f s",
		ready.Seconds(), readySoon.Seconds(), time.Since(started).Seconds())
	if ready > 10*readySoon {
		t.Errorf("ready after %s, which is beyond ten times the promised %s", ready, readySoon)
	}
}
