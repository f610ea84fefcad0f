package harness

import (
	"os"
	"testing"
)

// Kill ends a process by force, and waits until it is gone.
func (p *Process) Kill(t testing.TB) {
	t.Helper()
	p.Signal(t, os.Kill)
	if !p.endedWithin(stopPatience) {
		t.Fatalf("%s (pid %d) does not end", p.Name, p.Pid)
	}
}
