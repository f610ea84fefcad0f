package e2e

import (
	"testing"

	"appliance/e2e/internal/harness"
)

// TestNothingElseListens looks at what the appliance listens on: what it is
// told to, on loopback here.
func TestNothingElseListens(t *testing.T) {
	a := harness.Start(t, harness.Options{})
	found := map[string]bool{}
	for _, addr := range harness.ListeningAddresses(t, a.Pid) {
		found[addr.String()] = true
		if !addr.Addr().IsLoopback() {
			t.Errorf("it listens on %s", addr)
		}
	}
	if !found[a.Intake] || !found[a.Read] {
		t.Errorf("it listens on %v, and not on %s and %s", found, a.Intake, a.Read)
	}
}

// TestRestartKeepsTraces ends an appliance in order and starts another on its
// directory: what was there is there.
func TestRestartKeepsTraces(t *testing.T) {
	first := harness.Start(t, harness.Options{})
	acked := mustExport(t, first, "kept", 20, 3)
	first.Stop(t)
	second := harness.Start(t, harness.Options{DataDir: first.DataDir})
	second.MustFind(t, acked)
}
