// Package lowprio runs work that can wait on operating system threads that the
// kernel runs after the others of the process. Go's scheduler has no priorities:
// a goroutine that computes gets as much of the processors as one with a request
// in its hand, and the request waits up to 10 ms at each step until the other is
// preempted.
package lowprio

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"
)

// niceness of the threads, 0 to 19. Beside a thread of the ordinary priority one of
// 10 gets about a tenth of a processor, so that it goes on even then. It holds locks
// of the runtime at times, and must not be left without any.
const niceness = 10

// processors is GOMAXPROCS as it was before any Threads.
var processors = runtime.GOMAXPROCS(0)

// Processors is how many threads of the ordinary priority run at the same time.
func Processors() int { return processors }

// Threads run work of low priority. Up to n of them run at the same time.
type Threads struct {
	n    int
	turn *semaphore.Weighted // first come, first served

	mu     sync.Mutex
	idle   []chan<- task
	turns  map[int]*turn // that are taken, by the thread that has them
	closed bool
}

// turn is what a thread has while it does something.
type turn struct{ waits bool }

// task is work, and where to say that it is done.
type task struct {
	do   func()
	done chan<- any // what it panicked with, or nil
}

// New makes Threads, n at a time. It adds n to GOMAXPROCS until Close: a thread that
// the kernel lets wait takes none away from the others of the process.
func New(n int) *Threads {
	runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + n)
	return &Threads{n: n, turn: semaphore.NewWeighted(int64(n)), turns: map[int]*turn{}}
}

// Close ends the threads. Nothing may be under way.
func (t *Threads) Close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return
	}
	t.closed = true
	for _, thread := range t.idle {
		close(thread)
	}
	t.idle = nil
	runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) - t.n)
}

// Do waits for its turn and does something. The error is that of ctx, if this ended
// first. What do panics with is passed on.
func (t *Threads) Do(ctx context.Context, do func()) error {
	if err := t.turn.Acquire(ctx, 1); err != nil {
		return fmt.Errorf("wait for other queries: %w", err)
	}
	defer t.turn.Release(1)
	thread := t.take()
	defer t.put(thread)
	done := make(chan any, 1)
	thread <- task{do, done}
	if p := <-done; p != nil {
		panic(p)
	}
	return nil
}

// Pause is called within Do around what only waits: others have their turn until
// wait returns.
func (t *Threads) Pause(wait func()) {
	if own := t.own(); own != nil {
		own.waits = true
		defer func() { own.waits = false }()
	}
	t.turn.Release(1)
	defer func() { _ = t.turn.Acquire(context.Background(), 1) }() // never fails
	wait()
}

// patience is how long Wait keeps its turn. Who gives it up for less goes to the end
// of the line for nothing.
const patience = 2 * time.Millisecond

// Wait is called around what may have to wait, from anywhere: within Do others have
// their turn if it takes long. Nothing that others need within Do may be held when
// Wait is called, unless they wait for it within Wait too.
//
// Elsewhere than on Linux it cannot tell whether it is called within Do, and others
// wait too.
func (t *Threads) Wait(do func()) {
	own := t.own()
	if own == nil || own.waits {
		do()
		return
	}
	var mu sync.Mutex
	done, released := false, false
	timer := time.AfterFunc(patience, func() {
		mu.Lock()
		defer mu.Unlock()
		if !done {
			t.turn.Release(1)
			released = true
		}
	})
	own.waits = true
	defer func() {
		timer.Stop()
		mu.Lock()
		done = true
		mu.Unlock()
		if released {
			_ = t.turn.Acquire(context.Background(), 1) // never fails
		}
		own.waits = false
	}()
	do()
}

// Within says whether the caller runs within Do. Elsewhere than on Linux it is false.
func (t *Threads) Within() bool { return t.own() != nil }

// own is the turn that the calling thread has, or nil.
func (t *Threads) own() *turn {
	id, known := threadID()
	if !known {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.turns[id]
}

// take returns a thread that does nothing.
func (t *Threads) take() chan<- task {
	t.mu.Lock()
	defer t.mu.Unlock()
	if last := len(t.idle) - 1; last >= 0 {
		thread := t.idle[last]
		t.idle = t.idle[:last]
		return thread
	}
	thread := make(chan task)
	go t.work(thread)
	return thread
}

// put keeps a thread for later. There are more than n while some pause.
func (t *Threads) put(thread chan<- task) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed || len(t.idle) >= t.n {
		close(thread)
		return
	}
	t.idle = append(t.idle, thread)
}

// work is one thread, which ends with it: one without rights cannot raise its
// priority again.
func (t *Threads) work(tasks <-chan task) {
	runtime.LockOSThread()
	lower()
	id, _ := threadID()
	for one := range tasks {
		t.mu.Lock()
		t.turns[id] = &turn{}
		t.mu.Unlock()
		p := panics(one.do)
		t.mu.Lock()
		delete(t.turns, id)
		t.mu.Unlock()
		one.done <- p
	}
}

// panics does something, and returns what it panicked with.
func panics(do func()) (p any) {
	defer func() { p = recover() }()
	do()
	return nil
}
