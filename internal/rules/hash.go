package rules

import (
	"crypto/sha256"
	"encoding/hex"
	"hash/maphash"
)

// hash stands for a value: the first 64 bits of its SHA-256, as text.
type hash [16]byte

func hashOf(value []byte) (h hash) {
	sum := sha256.Sum256(value)
	hex.Encode(h[:], sum[:len(h)/2])
	return h
}

// hashes remember those of a request: its spans have few users and addresses, and
// SHA-256 costs more than all else that is done to a span.
type hashes [64]struct {
	value []byte // a view of the request
	hash  hash
}

var hashSeed = maphash.MakeSeed()

func (h *hashes) of(value []byte) hash {
	slot := &h[maphash.Bytes(hashSeed, value)%uint64(len(h))]
	if len(value) == 0 || string(slot.value) != string(value) {
		slot.value, slot.hash = value, hashOf(value)
	}
	return slot.hash
}
