package block

import (
	"bytes"
	"encoding/binary"
	"hash/maphash"
)

// dictionary gives the distinct values of a column chunk numbers from 0. Its
// values are kept as the page that will hold them.
type dictionary struct {
	seed   maphash.Seed
	mem    *slab
	page   []byte   // values in PLAIN: four bytes of length and the bytes
	starts []uint32 // of the values, in page, without the length
	hashes []uint64 // of the values, for digests, as far as they were asked for; 0 is not known
	next   []uint32 // of a value, which one came after it the last time, where that is known
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

func newDictionary(mem *slab) *dictionary {
	return &dictionary{seed: maphash.MakeSeed(), mem: mem, slots: make([]slot, minSlots)}
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
	if int(d.last) < len(d.next) {
		if id := d.next[d.last]; bytes.Equal(d.value(id), v) {
			d.last = id
			d.luck = min(d.luck+1, -unlucky)
			return id
		}
		d.luck--
	}
	id := d.lookup(v)
	if n := len(d.starts) - len(d.next); n > 0 {
		d.next = pushN(d.mem, d.next, 0, n)
	}
	d.next[d.last] = id
	d.last = id
	return id
}

// hash is the hash of a value, for digests.
func (d *dictionary) hash(id uint32) uint64 {
	if n := len(d.starts) - len(d.hashes); n > 0 {
		d.hashes = pushN(d.mem, d.hashes, 0, n)
	}
	if d.hashes[id] == 0 {
		d.hashes[id] = textHash(d.value(id))
	}
	return d.hashes[id]
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
		d.slots = rehash(d.mem, d.slots)
	}
	return id
}

func (d *dictionary) add(v []byte) uint32 {
	id := uint32(len(d.starts))
	d.page = room(d.mem, d.page, 4+len(v))
	d.page = binary.LittleEndian.AppendUint32(d.page, uint32(len(v)))
	d.starts = push(d.mem, d.starts, uint32(len(d.page)))
	d.page = append(d.page, v...)
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
func rehash(m *slab, old []slot) []slot {
	slots := slabOf[slot](m, 2*len(old))[:2*len(old)]
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
