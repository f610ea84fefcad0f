package block

import (
	"bytes"
	"encoding/binary"
	"hash/maphash"
	"slices"
)

// dictionary gives the distinct values of a column chunk numbers from 0. Its
// values are kept as the page that will hold them.
type dictionary struct {
	seed   maphash.Seed
	page   []byte   // values in PLAIN: four bytes of length and the bytes
	starts []uint32 // of the values, in page, without the length
	hashes []uint64 // of the values, for digests
	next   []uint32 // of a value, which one came after it the last time
	last   uint32   // value that was asked for
	luck   int      // guesses that were right, above those that were wrong
	slots  []slot   // a power of two; at most half are taken
	least  uint32   // value in the order of bytes
	most   uint32
}

type slot struct {
	hash uint32
	id   uint32 // of the value, plus 1; 0 is free
}

const minSlots = 64

func newDictionary() *dictionary {
	return &dictionary{seed: maphash.MakeSeed(), slots: make([]slot, minSlots)}
}

// reset makes it empty and keeps its memory.
func (d *dictionary) reset() {
	d.page, d.starts, d.hashes = d.page[:0], d.starts[:0], d.hashes[:0]
	d.next, d.last, d.luck = d.next[:0], 0, 0
	clear(d.slots)
}

func (d *dictionary) len() int { return len(d.starts) }

func (d *dictionary) value(id uint32) []byte {
	start := d.starts[id]
	return d.page[start : start+binary.LittleEndian.Uint32(d.page[start-4:])]
}

// unlucky is where guessing ends until the next chunk.
const unlucky = -1000

// id returns the number of a value, which is new or not. Values often come in
// similar orders, keys of attributes above all. So it first tries the one that
// followed the last time, as long as that is often right.
func (d *dictionary) id(v []byte) uint32 {
	if d.luck <= unlucky {
		return d.lookup(v)
	}
	if len(d.next) > 0 {
		if id := d.next[d.last]; bytes.Equal(d.value(id), v) {
			d.last = id
			d.luck = min(d.luck+1, -unlucky)
			return id
		}
		d.luck--
	}
	id := d.lookup(v)
	d.next[d.last] = id
	d.last = id
	return id
}

func (d *dictionary) lookup(v []byte) uint32 {
	hash := uint32(maphash.Bytes(d.seed, v))
	mask := uint32(len(d.slots) - 1)
	i := hash & mask
	for ; d.slots[i].id != 0; i = (i + 1) & mask {
		if s := d.slots[i]; s.hash == hash && bytes.Equal(d.value(s.id-1), v) {
			return s.id - 1
		}
	}
	id := d.add(v)
	d.slots[i] = slot{hash, id + 1}
	if 2*len(d.starts) > len(d.slots) {
		d.slots = rehash(d.slots)
	}
	return id
}

func (d *dictionary) add(v []byte) uint32 {
	id := uint32(len(d.starts))
	if need := len(d.page) + 4 + len(v); need > cap(d.page) {
		d.page = slices.Grow(d.page, max(firstPush, len(d.page), 4+len(v)))
	}
	d.page = binary.LittleEndian.AppendUint32(d.page, uint32(len(v)))
	d.starts = push(d.starts, uint32(len(d.page)))
	d.page = append(d.page, v...)
	d.hashes = push(d.hashes, textHash(v))
	if d.luck > unlucky {
		d.next = push(d.next, id)
	}
	if id == 0 {
		d.least, d.most = 0, 0
	} else if bytes.Compare(v, d.value(d.least)) < 0 {
		d.least = id
	} else if bytes.Compare(v, d.value(d.most)) > 0 {
		d.most = id
	}
	return id
}

// rehash returns twice as many slots with what is in them.
func rehash(old []slot) []slot {
	slots := make([]slot, 2*len(old))
	mask := uint32(len(slots) - 1)
	for _, s := range old {
		if s.id == 0 {
			continue
		}
		i := s.hash & mask
		for slots[i].id != 0 {
			i = (i + 1) & mask
		}
		slots[i] = s
	}
	return slots
}
