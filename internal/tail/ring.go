package tail

import (
	"encoding/binary"
	"math/bits"
	"math/rand/v2"
)

// key tells traces apart: tenants may use the same trace id.
type key struct {
	id     [16]byte
	tenant uint16 // index of a name
}

// entry is what a table holds: something with a key.
type entry[E any] interface {
	*E
	of() key
}

// table holds entries in the order in which they were added, finds them by
// their key, and drops the oldest. Entries are in chunks and are never moved;
// what finds them is four bytes each in an open-addressed index, at most three
// quarters full. So an entry costs its size and 5.4 to 10.7 bytes.
type table[E any, P entry[E]] struct {
	chunks []*[chunkLen]E
	first  uint64 // number of the oldest entry
	next   uint64 // number that the next one gets
	index  []uint32
	seed   [2]uint64
}

const (
	chunkLen   = 1 << 10
	leastIndex = 1 << 8
	// numbers is how many entries the index can tell apart; 0 is an empty slot.
	numbers = 1<<32 - 1
)

func newTable[E any, P entry[E]]() *table[E, P] {
	return &table[E, P]{index: make([]uint32, leastIndex), seed: [2]uint64{rand.Uint64() | 1, rand.Uint64()}}
}

func (t *table[E, P]) len() int { return int(t.next - t.first) }

// bytes is the memory that the table takes.
func (t *table[E, P]) bytes(entrySize int) int {
	return len(t.chunks)*chunkLen*entrySize + 4*len(t.index)
}

// at is the entry of a number from first up to next.
func (t *table[E, P]) at(n uint64) P {
	base := t.first / chunkLen
	return P(&t.chunks[n/chunkLen-base][n%chunkLen])
}

// find returns the entry of a key, or nil.
func (t *table[E, P]) find(k key) P {
	if n, ok := t.number(k); ok {
		return t.at(n)
	}
	return nil
}

// number is that of the entry of a key.
func (t *table[E, P]) number(k key) (n uint64, ok bool) {
	mask := len(t.index) - 1
	for i := int(t.hash(k)) & mask; t.index[i] != 0; i = (i + 1) & mask {
		if n := t.numberIn(t.index[i]); t.at(n).of() == k {
			return n, true
		}
	}
	return 0, false
}

// put sets the entry of a key, which it adds if it is not there.
func (t *table[E, P]) put(k key, set func(P)) {
	if e := t.find(k); e != nil {
		set(e)
		return
	}
	t.add(set)
}

// add appends an entry, whose key is not in the table. set gives it its value.
func (t *table[E, P]) add(set func(P)) P {
	if 4*(t.len()+1) > 3*len(t.index) {
		t.resize(2 * len(t.index))
	}
	if int(t.next/chunkLen-t.first/chunkLen) == len(t.chunks) {
		t.chunks = append(t.chunks, new([chunkLen]E))
	}
	n := t.next
	t.next++
	e := t.at(n)
	set(e)
	t.enter(n, e.of())
	return e
}

// dropTo drops the entries before a number.
func (t *table[E, P]) dropTo(n uint64) {
	for ; t.first < n && t.first < t.next; t.first++ {
		t.forget(t.first)
		if t.first%chunkLen == chunkLen-1 {
			t.chunks[0] = nil
			t.chunks = t.chunks[1:]
		}
	}
	if t.first == t.next && len(t.chunks) > 0 && t.first%chunkLen == 0 {
		t.chunks = t.chunks[:0]
	}
	small := len(t.index)
	for small > leastIndex && 8*t.len() < small {
		small /= 2
	}
	if small < len(t.index) {
		t.resize(small)
	}
}

func (t *table[E, P]) slot(n uint64) uint32 { return uint32(n%numbers) + 1 }

// numberIn is the entry that a slot stands for: no more than there are numbers
// are in the table at once.
func (t *table[E, P]) numberIn(slot uint32) uint64 {
	ahead := (uint64(slot) - 1 + numbers - t.first%numbers) % numbers
	return t.first + ahead
}

func (t *table[E, P]) enter(n uint64, k key) {
	mask := len(t.index) - 1
	i := int(t.hash(k)) & mask
	for t.index[i] != 0 {
		i = (i + 1) & mask
	}
	t.index[i] = t.slot(n)
}

// forget takes an entry out of the index, and moves those back that stand
// further from their place because of it.
func (t *table[E, P]) forget(n uint64) {
	mask, slot := len(t.index)-1, t.slot(n)
	i := int(t.hash(t.at(n).of())) & mask
	for t.index[i] != slot {
		i = (i + 1) & mask
	}
	for j := (i + 1) & mask; t.index[j] != 0; j = (j + 1) & mask {
		home := int(t.hash(t.at(t.numberIn(t.index[j])).of())) & mask
		if (j-home)&mask >= (j-i)&mask {
			t.index[i] = t.index[j]
			i = j
		}
	}
	t.index[i] = 0
}

func (t *table[E, P]) resize(size int) {
	t.index = make([]uint32, size)
	for n := t.first; n < t.next; n++ {
		t.enter(n, t.at(n).of())
	}
}

// hash mixes with a secret, so that nobody can choose ids that collide.
func (t *table[E, P]) hash(k key) uint64 {
	a, b := binary.LittleEndian.Uint64(k.id[:]), binary.LittleEndian.Uint64(k.id[8:])
	high, low := bits.Mul64(a^t.seed[0], b^t.seed[1]^uint64(k.tenant)<<48)
	high, low = bits.Mul64(high^low, t.seed[0])
	return high ^ low
}
