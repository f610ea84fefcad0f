package lowprio

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"
)

// TestLower asks the kernel for the priority of the thread: 20 less its niceness.
func TestLower(t *testing.T) {
	threads := New(1)
	defer threads.Close()
	priority := func() int {
		p, err := unix.Getpriority(unix.PRIO_PROCESS, 0)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	before, within := priority(), 0
	if threads.Within() {
		t.Error("the test runs within Do")
	}
	err := threads.Do(t.Context(), func() {
		if within = priority(); !threads.Within() {
			t.Error("what runs within Do does not")
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if want := min(before, 20-niceness); within != want {
		t.Errorf("the priority within is %d, not %d; before it was %d", within, want, before)
	}
	if after := priority(); after != before {
		t.Errorf("the priority after is %d, and was %d", after, before)
	}
}

// Who waits for long within Wait holds up nobody, and has its turn again after it.
func TestWaitLetsOthersRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		threads := New(1)
		defer threads.Close()
		answered := make(chan struct{})
		waited := make(chan error)
		go func() {
			waited <- threads.Do(t.Context(), func() {
				threads.Wait(func() {
					threads.Wait(func() { <-answered }) // the inner one changes nothing
				})
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				if err := threads.Do(ctx, func() {}); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("another ran beside it after it had waited: %v", err)
				}
			})
		}()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := threads.Do(ctx, func() {}); err != nil {
			t.Errorf("another is held up: %v", err)
		}
		close(answered)
		if err := <-waited; err != nil {
			t.Error(err)
		}
		// Every turn was given back once.
		if err := threads.Do(t.Context(), func() {}); err != nil {
			t.Error(err)
		}
	})
}

// What takes no time within Wait keeps its turn, and so does what waits outside of
// Do or within Pause.
func TestWaitThatIsShort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		threads := New(1)
		defer threads.Close()
		long := func() { time.Sleep(time.Minute) }
		threads.Wait(long)
		err := threads.Do(t.Context(), func() {
			threads.Wait(func() {
				if threads.turn.TryAcquire(1) {
					t.Error("the turn was given up at once")
				}
			})
			threads.Pause(func() { threads.Wait(long) })
			func() {
				defer func() { _ = recover() }()
				threads.Wait(func() { long(); panic("as told") })
			}()
			if threads.turn.TryAcquire(1) {
				t.Error("there are more turns than one")
			}
		})
		if err != nil || !threads.turn.TryAcquire(1) || threads.turn.TryAcquire(1) {
			t.Errorf("it is not one turn that is left: %v", err)
		}
	})
}
