package lowprio

import "golang.org/x/sys/unix"

// lower makes the calling thread one of low priority, where it is not one already.
// A kernel that refuses costs speed alone.
func lower() {
	// The kernel answers with 20 less the niceness.
	if p, err := unix.Getpriority(unix.PRIO_PROCESS, 0); err == nil && p > 20-niceness {
		_ = unix.Setpriority(unix.PRIO_PROCESS, 0, niceness)
	}
}

// threadID tells the calling thread from all others that run.
func threadID() (id int, known bool) { return unix.Gettid(), true }
