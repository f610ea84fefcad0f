package store

import "crypto/sha256"

// hashBuffers is how many buffers are on their way between reading and hashing.
const hashBuffers = 4

// bufferSize is the unit of copying, in bytes.
const bufferSize = 512 << 10

// A hashing takes the SHA-256 of a stream beside the work of copying it.
type hashing struct {
	free chan []byte
	work chan []byte
	sum  chan Sum
}

// newHashing starts the hashing of one stream; sum or nothing else ends it, so
// its goroutine lives until sum is called.
func newHashing() *hashing {
	h := &hashing{make(chan []byte, hashBuffers), make(chan []byte, hashBuffers), make(chan Sum, 1)}
	for range hashBuffers {
		h.free <- nil // made when first needed: most objects are small
	}
	go func() {
		hash := sha256.New()
		for b := range h.work {
			hash.Write(b)
			h.free <- b
		}
		h.sum <- Sum(hash.Sum(nil))
	}()
	return h
}

// buffer is one of n bytes, at most bufferSize, that nobody uses; it must be added.
func (h *hashing) buffer(n int64) []byte {
	b := <-h.free
	if int64(cap(b)) < n {
		b = make([]byte, n)
	}
	return b[:n]
}

// add hashes b, which may be read but not changed from here on.
func (h *hashing) add(b []byte) { h.work <- b }

// end is the SHA-256 of all that was added. It must be called once, last.
func (h *hashing) end() Sum {
	close(h.work)
	return <-h.sum
}
