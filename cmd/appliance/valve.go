package main

import "sync/atomic"

// memoryValve holds the forwarder back while Tempo has more in hand than leaves its garbage collector room: what it is
// sent then brings the kernel to end it. The size of the process says nothing; the runtime lets that grow up to the
// limit in any case.
type memoryValve struct {
	live      func() int64 // bytes of Tempo's heap in use after the last collection
	limit     int64        // GOMEMLIMIT of Tempo, bytes
	unwritten func() int   // blocks that Tempo has cut and not written
	shut      atomic.Bool
}

const (
	// Of the limit. Tempo needs some 75 % of the default one while it writes a block, and 40 % else.
	valveShuts = 0.80
	valveOpens = 0.70
	// Each takes a tenth of the default limit, and what is sent faster than it is written would only lengthen the queue.
	mostUnwritten = 4
)

func (v *memoryValve) closed() bool {
	share := float64(v.live()) / float64(v.limit)
	switch {
	case share > valveShuts:
		v.shut.Store(true)
	case share < valveOpens:
		v.shut.Store(false)
	}
	return v.shut.Load() || v.unwritten() >= mostUnwritten
}
