package main

import "golang.org/x/sys/unix"

// clockIsKept says whether the kernel knows its clock to be kept right, by NTP or
// the like, if it says anything.
func clockIsKept() (kept, known bool) {
	var t unix.Timex
	state, err := unix.Adjtimex(&t)
	if err != nil {
		return false, false
	}
	return state != unix.TIME_ERROR && t.Status&unix.STA_UNSYNC == 0, true
}
