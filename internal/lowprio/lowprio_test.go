package lowprio

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
)

func TestSoManyAtATime(t *testing.T) {
	threads := New(2)
	defer threads.Close()
	var running, most atomic.Int64
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			err := threads.Do(t.Context(), func() {
				n := running.Add(1)
				for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
				}
				runtime.Gosched()
				running.Add(-1)
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n := most.Load(); n < 1 || n > 2 {
		t.Errorf("%d ran at the same time", n)
	}
}

func TestPauseLetsOthersRun(t *testing.T) {
	threads := New(1)
	defer threads.Close()
	inner := false
	err := threads.Do(t.Context(), func() {
		threads.Pause(func() {
			if err := threads.Do(t.Context(), func() { inner = true }); err != nil {
				t.Error(err)
			}
		})
	})
	if err != nil || !inner {
		t.Errorf("the other ran: %v, %v", inner, err)
	}
	// Both threads were put back, or ended.
	if err := threads.Do(t.Context(), func() {}); err != nil {
		t.Error(err)
	}
}

func TestDoGivesUpWithItsContext(t *testing.T) {
	threads := New(1)
	defer threads.Close()
	ctx, cancel := context.WithCancel(t.Context())
	err := threads.Do(t.Context(), func() {
		cancel()
		if err := threads.Do(ctx, func() { t.Error("it ran") }); !errors.Is(err, context.Canceled) {
			t.Errorf("the error is %v", err)
		}
	})
	if err != nil {
		t.Error(err)
	}
}

func TestDoPassesPanicsOn(t *testing.T) {
	threads := New(1)
	defer threads.Close()
	func() {
		defer func() {
			if p := recover(); p != "as told" {
				t.Errorf("it panicked with %v", p)
			}
		}()
		_ = threads.Do(t.Context(), func() { panic("as told") })
	}()
	ran := false
	if err := threads.Do(t.Context(), func() { ran = true }); err != nil || !ran {
		t.Errorf("nothing runs after a panic: %v", err)
	}
}

// TestProcessors holds that a thread that waits for a processor takes none away.
func TestProcessors(t *testing.T) {
	before := runtime.GOMAXPROCS(0)
	threads := New(3)
	if n := Processors(); n != before {
		t.Errorf("Processors is %d, not %d", n, before)
	}
	if n := runtime.GOMAXPROCS(0); n != before+3 {
		t.Errorf("GOMAXPROCS is %d, and was %d", n, before)
	}
	threads.Close()
	threads.Close()
	if n := runtime.GOMAXPROCS(0); n != before {
		t.Errorf("GOMAXPROCS is %d after Close, and was %d", n, before)
	}
}
