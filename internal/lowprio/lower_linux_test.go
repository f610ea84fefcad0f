package lowprio

import (
	"testing"

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
	if err := threads.Do(t.Context(), func() { within = priority() }); err != nil {
		t.Fatal(err)
	}
	if want := min(before, 20-niceness); within != want {
		t.Errorf("the priority within is %d, not %d; before it was %d", within, want, before)
	}
	if after := priority(); after != before {
		t.Errorf("the priority after is %d, and was %d", after, before)
	}
}
