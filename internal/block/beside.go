package block

import (
	"sync"
	"sync/atomic"
)

// beside calls do with each number below n, in up to so many goroutines, of which the
// caller's is one. What do panics with is passed on to the caller, who may know what
// to do about damage.
func beside(n, goroutines int, do func(int)) {
	var next atomic.Int64
	work := func() {
		for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
			do(i)
		}
	}
	if goroutines <= 1 {
		work()
		return
	}
	var mu sync.Mutex
	var panicked any
	guarded := func() {
		defer func() {
			if p := recover(); p != nil {
				mu.Lock()
				defer mu.Unlock()
				panicked = p
			}
		}()
		work()
	}
	var others sync.WaitGroup
	for range min(goroutines, n) - 1 {
		others.Go(guarded)
	}
	guarded()
	others.Wait()
	if panicked != nil {
		panic(panicked)
	}
}
