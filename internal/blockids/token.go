package blockids

import (
	"encoding/binary"
	"math/bits"
)

// Token is a span's identity in 64 bits: equal for equal trace id, span id and kind. (A client and a server span may
// share their ids, as Zipkin's do; Tempo tells them apart by kind.) Among n spans the chance that a stranger has the
// token of one of them is n / 2^64, also for ids that somebody chose if the seed is a secret. With one seed, tokens
// never change, so digests of them can be stored.
func Token(seed uint64, traceID, spanID []byte, kind int64) uint64 {
	h := mix(seed^0x9e3779b97f4a7c15) ^ uint64(kind)
	for _, id := range [2][]byte{traceID, spanID} {
		for len(id) >= 8 {
			h = mix(h ^ binary.BigEndian.Uint64(id))
			id = id[8:]
		}
		rest := uint64(len(id)) << 56
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
