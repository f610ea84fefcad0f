package spool

import (
	"sync"
	"time"
)

// appender is one Append that waits.
type appender struct {
	rec  Record
	sum  uint32
	size int64 // of the frame
	// probe says that nothing is to be written; only whether it could be is asked.
	probe bool

	pos  Position   // set before done
	done chan error // takes one value
	head []byte     // its frame's header and tenant
}

// queue holds appenders until the writer takes a group of them, which is written
// and synced together.
type queue struct {
	mu      sync.Mutex
	waiting []*appender
	bytes   int64
	closed  bool
	changed chan struct{} // has room for one token: look again
}

func newQueue() *queue { return &queue{changed: make(chan struct{}, 1)} }

func (q *queue) signal() {
	select {
	case q.changed <- struct{}{}:
	default:
	}
}

func (q *queue) push(a *appender) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return ErrClosed
	}
	q.waiting = append(q.waiting, a)
	q.bytes += a.size
	q.signal()
	return nil
}

func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.signal()
}

func (q *queue) isClosed() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.closed
}

// take waits for appenders and returns as many as fit in limit bytes, at least
// one; none when the queue is closed and empty. If fewer than want are there it
// gives the others wait to come: they are the appenders who were let go
// by the last group, so a lone one never waits.
func (q *queue) take(limit int64, want int, wait time.Duration) []*appender {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.waiting) == 0 {
		if q.closed {
			return nil
		}
		q.mu.Unlock()
		<-q.changed
		q.mu.Lock()
		q.linger(limit, want, wait)
	}
	n, bytes := 0, int64(0)
	for n < len(q.waiting) && (n == 0 || bytes+q.waiting[n].size <= limit) {
		bytes += q.waiting[n].size
		n++
	}
	taken := append([]*appender(nil), q.waiting[:n]...)
	rest := copy(q.waiting, q.waiting[n:])
	clear(q.waiting[rest:])
	q.waiting = q.waiting[:rest]
	q.bytes -= bytes
	return taken
}

// linger waits until want appenders or limit bytes are there. q.mu is held,
// but not while it waits.
func (q *queue) linger(limit int64, want int, wait time.Duration) {
	if want < 2 || wait <= 0 {
		return
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	for len(q.waiting) < want && q.bytes < limit && !q.closed {
		q.mu.Unlock()
		late := false
		select {
		case <-q.changed:
		case <-timer.C:
			late = true
		}
		q.mu.Lock()
		if late {
			return
		}
	}
}
