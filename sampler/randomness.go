package sampler

import (
	"encoding/binary"
	"fmt"
)

// Randomness is 56 random bits that all spans of a trace share.
type Randomness uint64

// String is the 14 hex digits that rv would be.
func (r Randomness) String() string { return fmt.Sprintf("%014x", uint64(r)) }

// Source says where randomness came from.
type Source uint8

// Sources of randomness.
const (
	FromTraceID Source = iota // the last 7 bytes of the trace id, W3C Trace Context level 2
	FromRV                    // rv in the ot member of the tracestate
	FromHash                  // hash_seed: a hash of the trace id
)

// String says it in words.
func (s Source) String() string {
	switch s {
	case FromRV:
		return "rv of the tracestate"
	case FromHash:
		return "hash of the trace id"
	}
	return "last 7 bytes of the trace id"
}

// traceIDRandomness is the last 7 bytes of a trace id. One of another length
// never gets here from otlpwire; it is given what is kept at any rate.
func traceIDRandomness(id []byte) Randomness {
	if len(id) != 16 {
		return randomBound - 1
	}
	return Randomness(binary.BigEndian.Uint64(id[8:]) & (randomBound - 1))
}

// parseRV reads exactly 14 hex digits of either case.
func parseRV(rv []byte) (Randomness, bool) {
	if len(rv) != hexDigits {
		return 0, false
	}
	v, ok := parseHex(rv)
	return Randomness(v), ok
}

const (
	hashBits    = 14 // that hash_seed decides on
	hashBuckets = 1 << hashBits
)

// hashRandomness is the randomness of the Collector's hash_seed mode, bit for
// bit: a 32-bit FNV-1a over the seed, little-endian, and the id. Its low 14 bits,
// turned round so that a high value is kept, lead; the other bits follow,
// only to tell values with the same 14 bits apart.
func hashRandomness(id []byte, seed uint32) Randomness {
	const offset, prime = 2166136261, 16777619
	h := uint32(offset)
	for shift := 0; shift < 32; shift += 8 {
		h = (h ^ seed>>shift&0xff) * prime
	}
	for _, c := range id {
		h = (h ^ uint32(c)) * prime
	}
	bucket := uint64(h % hashBuckets)
	rest := uint64(h >> (32 - hashBits))
	return Randomness((hashBuckets-1-bucket)<<42 | (rest^rest<<10)<<hashBits | bucket)
}

// hashThreshold is the threshold of the Collector's hash_seed mode: it takes a
// percentage in 32 bits and truncates to 1/16384. ok is false where that is zero.
func hashThreshold(p float64) (t Threshold, ok bool) {
	const bucketsPerPercent = hashBuckets / 100.0
	kept := uint64(float32(p*100) * bucketsPerPercent)
	return Threshold(hashBuckets-kept) << 42, kept != 0
}
