package harness

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"testing"
	"time"
)

// Kill ends an appliance by force, and waits until it and what it had started are gone.
func (a *Appliance) Kill(t testing.TB) {
	t.Helper()
	below := Descendants(t, a.Pid)
	a.Signal(t, os.Kill)
	<-a.Ended()
	Eventually(t, 20*time.Second, "children gone", func() error {
		for _, k := range below {
			if k.Runs() {
				return fmt.Errorf("%s still runs", k)
			}
		}
		return nil
	})
}

// KillTempo ends the embedded Tempo by force, unless it is just being started.
func (a *Appliance) KillTempo(t testing.TB) {
	t.Helper()
	tempo, ok := a.TempoChild(t)
	if !ok {
		return
	}
	if err := syscall.Kill(tempo.Pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		t.Errorf("kill %s: %v", tempo, err)
	}
}
