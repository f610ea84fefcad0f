package rules

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"math/bits"
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
type hashes [256]struct {
	value []byte // a view of the request
	hash  hash
}

func (h *hashes) of(value []byte) *hash {
	slot := &h[slotOf(value)]
	if len(value) == 0 || string(slot.value) != string(value) {
		slot.value, slot.hash = value, hashOf(value)
	}
	return &slot.hash
}

// slotOf mixes the bytes at both ends. Whoever makes values share a slot has them
// hashed as often as they come.
func slotOf(value []byte) uint8 {
	var mixed uint64
	if n := len(value); n >= 8 {
		mixed = binary.LittleEndian.Uint64(value) ^ bits.RotateLeft64(binary.LittleEndian.Uint64(value[n-8:]), 32)
	} else {
		for _, c := range value {
			mixed = mixed<<8 | uint64(c)
		}
	}
	return uint8(mixed * 0x9e3779b97f4a7c15 >> 56)
}
