package main

import "sync/atomic"

// memoryValve holds the forwarder back while Tempo has more in use than leaves its garbage collector room: what it is
// sent then brings the kernel to end it. The size of the process says nothing; the runtime lets that grow up to the
// limit in any case.
type memoryValve struct {
	live  func() int64 // bytes of Tempo's heap in use after the last collection
	limit int64        // GOMEMLIMIT of Tempo, bytes
	shut  atomic.Bool
}

// Tempo needs some 60 % of the default limit to write a block; what is beyond that is for what comes in meanwhile, and for garbage.
const (
	valveShuts = 0.65 // of the limit
	valveOpens = 0.55
)

func (v *memoryValve) closed() bool {
	share := float64(v.live()) / float64(v.limit)
	switch {
	case share > valveShuts:
		v.shut.Store(true)
	case share < valveOpens:
		v.shut.Store(false)
	}
	return v.shut.Load()
}
