package e2e

import (
	"net/http"
	"testing"
	"time"

	"appliance/e2e/internal/harness"
)

// coldStart is what a first start may take until a trace is written and read, by the promise for an idle machine of this kind.
const coldStart = 3 * time.Second

// TestColdStart measures a start on an empty directory until a trace has gone in, through the spool and Tempo, and come out. The bound leaves room for a machine that
// does something else as well; the figure is in the log.
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
	read := time.Since(started)
	t.Logf("cold start: ready after %.2f s, a trace written and read after %.2f s (promised: %.0f s)",
		ready.Seconds(), read.Seconds(), coldStart.Seconds())
	if read > 3*coldStart {
		t.Errorf("a trace was written and read after %s, which is beyond three times the promised %s", read, coldStart)
	}
}
