package receiver

import (
	"context"
	"io"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"
)

// memory is all that requests in flight may hold, as sent and decompressed,
// with what the pool keeps for the next ones.
type memory struct {
	budget *semaphore.Weighted
	size   int
	wait   time.Duration // how long a request waits for others to finish
	held   atomic.Int64
	pool   pool
}

func newMemory(size, pooled int, wait time.Duration) *memory {
	return &memory{budget: semaphore.NewWeighted(int64(size)), size: size, wait: wait, pool: pool{maxBytes: pooled}}
}

// loan is what one request holds of it. Whatever way a request ends, close
// returns everything. A loan is not for concurrent use.
type loan struct {
	memory *memory
	held   int
	lent   [][]byte
	spare  [1]byte // for readAll, to find the end behind a full buffer
}

// reserve takes n bytes of the budget: at once, or with patience after a wait.
func (l *loan) reserve(ctx context.Context, n int, patient bool) error {
	m := l.memory
	if !m.budget.TryAcquire(int64(n)) {
		if !patient || n > m.size {
			return errInflight
		}
		ctx, cancel := context.WithTimeout(ctx, m.wait)
		defer cancel()
		if m.budget.Acquire(ctx, int64(n)) != nil {
			return errInflight
		}
	}
	l.held += n
	m.held.Add(int64(n))
	return nil
}

func (l *loan) release(n int) {
	l.held -= n
	l.memory.held.Add(-int64(n))
	l.memory.budget.Release(int64(n))
}

// take returns an empty buffer for n bytes.
func (l *loan) take(ctx context.Context, n int, patient bool) ([]byte, error) {
	if err := l.reserve(ctx, l.memory.pool.size(n), patient); err != nil {
		return nil, err
	}
	b := l.memory.pool.get(n, l.memory.size-int(l.memory.held.Load()))
	l.lent = append(l.lent, b)
	return b, nil
}

// give ends the use of a buffer from take before the request ends.
func (l *loan) give(b []byte) {
	if cap(b) == 0 {
		return
	}
	for i, lent := range l.lent {
		if &lent[:1][0] == &b[:1][0] {
			l.lent[i] = l.lent[len(l.lent)-1]
			l.lent[len(l.lent)-1] = nil
			l.lent = l.lent[:len(l.lent)-1]
			l.release(cap(lent))
			l.memory.pool.put(lent)
			return
		}
	}
}

// grow exchanges b for a larger buffer with the same contents.
func (l *loan) grow(ctx context.Context, b []byte, n int, patient bool) ([]byte, error) {
	larger, err := l.take(ctx, n, patient)
	if err != nil {
		return nil, err
	}
	larger = append(larger, b...)
	l.give(b)
	return larger, nil
}

// close ends the loan; it can then be used for another request.
func (l *loan) close() {
	for i, b := range l.lent {
		l.memory.pool.put(b)
		l.lent[i] = nil
	}
	l.settle()
}

// forget is close without reusing the buffers: after a panic nobody knows who
// still reads them.
func (l *loan) forget() {
	for _, b := range l.lent {
		l.memory.pool.abandon(b)
	}
	l.settle()
}

func (l *loan) settle() {
	l.lent = l.lent[:0]
	l.release(l.held)
}

// outgrown ends the loan of b where out, which was appended to it, did not fit,
// and accounts for out instead.
func (l *loan) outgrown(ctx context.Context, b, out []byte) error {
	if cap(out) == 0 || &out[:1][0] == &b[:1][0] {
		return nil
	}
	l.give(b)
	return l.reserve(ctx, cap(out), false)
}

// readAll appends src to b until its end. b is from take, or nil: then the
// budget is charged with nothing before the first byte is there.
func (l *loan) readAll(ctx context.Context, src io.Reader, b []byte, limit int, patient bool) ([]byte, error) {
	for {
		space := b[len(b):max(len(b), min(cap(b), limit))]
		full := len(space) == 0
		if full {
			space = l.spare[:]
		}
		n, err := src.Read(space)
		if full && n > 0 {
			if len(b) >= limit {
				return nil, errTooLarge("body", limit)
			}
			larger, growErr := l.grow(ctx, b, min(max(2*cap(b), smallestBuffer), limit), patient)
			if growErr != nil {
				return nil, growErr
			}
			b = append(larger, l.spare[0])
		} else {
			b = b[:len(b)+n]
		}
		if err == io.EOF {
			return b, nil
		}
		if err != nil {
			return nil, err
		}
	}
}
