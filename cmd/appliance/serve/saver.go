package serve

import (
	"sync/atomic"
	"time"
)

// saveWait is how long a scrape waits for a disk that hangs. It may do so twice
// and still end within Prometheus' 10 s.
const saveWait = 3 * time.Second

// saver saves counts before a scrape shows them, so that a crash takes back
// nothing that was shown. To Prometheus a counter that goes back began at zero:
// all of it would be counted once more.
type saver struct{ saving atomic.Bool }

// save returns when that is done, or has failed, or takes too long; and at once
// while an earlier one does. Who saves every second says that it fails.
func (s *saver) save(work func() error) {
	if !s.saving.CompareAndSwap(false, true) {
		return
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer s.saving.Store(false)
		_ = work()
	}()
	timeout := time.NewTimer(saveWait)
	defer timeout.Stop()
	select {
	case <-done:
	case <-timeout.C:
	}
}
