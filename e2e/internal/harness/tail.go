package harness

import (
	"sync"
)

// tail keeps the last limit bytes written to it.
type tail struct {
	limit int

	mu  sync.Mutex
	buf []byte
	cut bool
}

func (w *tail) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.buf = append(w.buf, p...)
	if excess := len(w.buf) - w.limit; excess > w.limit { // cut seldom, not at every write
		w.buf = append(w.buf[:0], w.buf[excess:]...)
		w.cut = true
	}
	return len(p), nil
}

func (w *tail) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.cut {
		return "[...]" + string(w.buf)
	}
	return string(w.buf)
}
