package main

import (
	"sync"
	"time"

	"appliance/internal/tempo"
)

// memoryValve holds the forwarder back while the embedded Tempo has more memory than its limit allows: what it is sent
// then would only bring the kernel to end it.
type memoryValve struct {
	state func() tempo.State
	limit int64 // GOMEMLIMIT of Tempo, bytes

	mu   sync.Mutex
	at   time.Time // of the last look
	shut bool
}

// The runtime holds Tempo's heap at the limit for as long as it can, so that being near it means nothing; above it,
// what is alive does not fit any more.
func (v *memoryValve) closed() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	if time.Since(v.at) < busyCheck {
		return v.shut
	}
	v.at = time.Now()
	state := v.state()
	if state.PID == 0 {
		v.shut = false
		return false
	}
	resident, err := tempo.Resident(state.PID)
	switch {
	case err != nil:
		v.shut = false // it has just ended, or this is not Linux
	case v.shut:
		v.shut = resident > v.limit*9/10
	default:
		v.shut = resident > v.limit
	}
	return v.shut
}
