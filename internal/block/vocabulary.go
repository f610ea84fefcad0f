package block

import (
	"bytes"
	"hash/maphash"
)

// vocabulary numbers texts of spans that recur, such as names, keys and values of
// attributes, for as long as a block is made. A frame then has a number for each,
// which is also found in a column's dictionary without hashing the text again.
// What does not fit is written out in each frame.
type vocabulary struct {
	seed   maphash.Seed
	bytes  []byte
	words  []word
	hashes []uint64 // of the texts, for digests
	slots  []slot   // a power of two; at most half are taken
}

// word is where a text is.
type word struct{ from, to uint32 }

// Bounds of a vocabulary.
const (
	maxWords     = 1 << 16
	maxWordBytes = 4 << 20
	maxWordLen   = 1 << 10
)

func newVocabulary() vocabulary {
	return vocabulary{seed: maphash.MakeSeed(), slots: make([]slot, minSlots)}
}

// text is valid as long as the vocabulary.
func (v *vocabulary) text(id uint32) []byte {
	w := v.words[id]
	return v.bytes[w.from:w.to:w.to]
}

// find returns the number of a text, and whether it is new. ok is false for one
// that does not fit.
func (v *vocabulary) find(text []byte) (id uint32, fresh, ok bool) {
	if len(text) > maxWordLen {
		return 0, false, false
	}
	hash := uint32(maphash.Bytes(v.seed, text))
	mask := uint32(len(v.slots) - 1)
	i := hash & mask
	for ; v.slots[i].id != 0; i = (i + 1) & mask {
		if s := v.slots[i]; s.hash == hash && bytes.Equal(v.text(s.id-1), text) {
			return s.id - 1, false, true
		}
	}
	if len(v.words) == maxWords || len(v.bytes)+len(text) > maxWordBytes {
		return 0, false, false
	}
	id = uint32(len(v.words))
	from := uint32(len(v.bytes))
	v.bytes = append(v.bytes, text...)
	v.words = push(nil, v.words, word{from, uint32(len(v.bytes))})
	v.hashes = push(nil, v.hashes, textHash(text))
	v.slots[i] = slot{hash, id + 1}
	if 2*len(v.words) > len(v.slots) {
		v.slots = rehash(nil, v.slots)
	}
	return id, true, true
}
