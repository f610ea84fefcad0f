package block

import (
	"encoding/binary"
	"math/bits"
)

// TokenVersion changes whenever Token gives other values. What stores sums of
// tokens stores it with them: sums of two versions say nothing of each other.
const TokenVersion = 2

// Token is a span's identity in 64 bits: equal for equal trace id, span id and
// kind. (A client and a server span may share their ids, as Zipkin's do; Tempo
// tells them apart by kind.) Among n spans the chance that a stranger has the
// token of one of them is n / 2^64. That holds also for ids that somebody chose,
// if the seed is a secret: whether two spans collide depends on it.
func Token(seed uint64, traceID, spanID []byte, kind int64) uint64 {
	// Each part is mixed in by itself. Two parts that were combined before the
	// first round that depends on the seed could make up for each other.
	h := mix(seed ^ 0x9e3779b97f4a7c15 ^ uint64(len(traceID))<<32 ^ uint64(len(spanID)))
	h = mix(h ^ uint64(kind))
	for _, id := range [2][]byte{traceID, spanID} {
		for len(id) >= 8 {
			h = mix(h ^ binary.BigEndian.Uint64(id))
			id = id[8:]
		}
		if len(id) == 0 {
			continue
		}
		rest := uint64(0)
		for i, b := range id {
			rest |= uint64(b) << (8 * i)
		}
		h = mix(h ^ rest)
	}
	return h
}

// mix is one round of wyhash: it spreads each bit of x over the whole word.
func mix(x uint64) uint64 {
	hi, lo := bits.Mul64(x^0xa0761d6478bd642f, 0xe7037ed1a0b428db)
	return mixOnce(hi ^ lo)
}

// mixOnce is the finalizer of splitmix64, a bijection.
func mixOnce(x uint64) uint64 {
	x ^= x >> 30
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 27
	x *= 0x94d049bb133111eb
	return x ^ x>>31
}
