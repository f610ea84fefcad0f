package traceql

import "math/bits"

// Bitmap is a set of numbers from 0 up to its length: spans of a batch, or rows
// of a level.
type Bitmap struct {
	words []uint64
	n     int
}

// NewBitmap returns an empty set of numbers below n.
func NewBitmap(n int) *Bitmap { return &Bitmap{words: make([]uint64, (n+63)/64), n: n} }

func fullBitmap(n int) *Bitmap {
	b := NewBitmap(n)
	b.SetRange(0, n)
	return b
}

// Len is the number below which all members are.
func (b *Bitmap) Len() int { return b.n }

// Set adds i.
func (b *Bitmap) Set(i int) { b.words[i>>6] |= 1 << (i & 63) }

// Has says whether i is a member.
func (b *Bitmap) Has(i int) bool { return b.words[i>>6]>>(i&63)&1 == 1 }

// SetRange adds the numbers from from up to to.
func (b *Bitmap) SetRange(from, to int) {
	if from >= to {
		return
	}
	first, last := from>>6, (to-1)>>6
	low, high := ^uint64(0)<<(from&63), ^uint64(0)>>(63-(to-1)&63)
	if first == last {
		b.words[first] |= low & high
		return
	}
	b.words[first] |= low
	for i := first + 1; i < last; i++ {
		b.words[i] = ^uint64(0)
	}
	b.words[last] |= high
}

// From is the part of the set from i on, which is its 0. It shares the set's memory. i
// can be divided by 64.
func (b *Bitmap) From(i int) *Bitmap { return &Bitmap{words: b.words[i>>6:], n: b.n - i} }

// And keeps the members that are also in o.
func (b *Bitmap) And(o *Bitmap) {
	for i := range b.words {
		b.words[i] &= o.words[i]
	}
}

// Or adds the members of o.
func (b *Bitmap) Or(o *Bitmap) {
	for i := range b.words {
		b.words[i] |= o.words[i]
	}
}

// AndNot removes the members of o.
func (b *Bitmap) AndNot(o *Bitmap) {
	for i := range b.words {
		b.words[i] &^= o.words[i]
	}
}

// Not makes members of all that were none, and the other way round.
func (b *Bitmap) Not() {
	for i := range b.words {
		b.words[i] = ^b.words[i]
	}
	if rest := b.n & 63; rest != 0 {
		b.words[len(b.words)-1] &= 1<<rest - 1
	}
}

// Clone returns a copy.
func (b *Bitmap) Clone() *Bitmap {
	return &Bitmap{words: append([]uint64(nil), b.words...), n: b.n}
}

// Count is the number of members.
func (b *Bitmap) Count() (n int) {
	for _, w := range b.words {
		n += bits.OnesCount64(w)
	}
	return n
}

// Empty says whether there is no member.
func (b *Bitmap) Empty() bool {
	for _, w := range b.words {
		if w != 0 {
			return false
		}
	}
	return true
}

// Next returns the smallest member that is at least i, or -1.
func (b *Bitmap) Next(i int) int {
	if i >= b.n {
		return -1
	}
	w := i >> 6
	word := b.words[w] &^ (1<<(i&63) - 1)
	for word == 0 {
		if w++; w == len(b.words) {
			return -1
		}
		word = b.words[w]
	}
	return w<<6 + bits.TrailingZeros64(word)
}

// Any says whether a member is at least from and below to.
func (b *Bitmap) Any(from, to int) bool {
	if to = min(to, b.n); from >= to {
		return false
	}
	first, last := from>>6, (to-1)>>6
	low, high := ^uint64(0)<<(from&63), ^uint64(0)>>(63-(to-1)&63)
	if first == last {
		return b.words[first]&low&high != 0
	}
	if b.words[first]&low != 0 || b.words[last]&high != 0 {
		return true
	}
	for _, word := range b.words[first+1 : last] {
		if word != 0 {
			return true
		}
	}
	return false
}
