package block

import (
	"encoding/binary"
	"math/bits"

	"github.com/cespare/xxhash/v2"
)

// Digest sums up spans in whatever order they come: of each span everything
// that a block holds, with its resource and scope. Equal digests under one key
// mean equal spans, but for a chance of about 2^-64.
//
// Not covered is what a block does not hold (see docs/blocks.md), and what it
// derives: nested sets, service statistics, the bounds and the root of a trace.
type Digest struct {
	Spans uint64
	Sum   uint64 // of the spans' hashes
	Mixed uint64 // of the hashes, mixed again, so that no two errors cancel in both
}

// Add adds the spans of another digest under the same key.
func (d *Digest) Add(o Digest) {
	d.Spans += o.Spans
	d.Sum += o.Sum
	d.Mixed += o.Mixed
}

// add adds a span by its hash.
func (d *Digest) add(h uint64) {
	d.Spans++
	d.Sum += h
	h ^= h >> 32
	h *= 0xd6e8feb86659fd93
	d.Mixed += h ^ h>>29
}

// What a hash is of. All are folded from 64-bit values, one after the other, so
// that a hash can be made of columns too: texts by their own hash, which a
// dictionary has once for each of its values.
//
//	attribute  key, then the values with their kind: one, or the elements of an
//	           array. An attribute with a column of its own counts as any
//	           other; service.name counts if it is a text that is not empty.
//	           Of several with one key, those that a column of its own cannot
//	           hold do not count.
//	resource   sum of the attributes' hashes, dropped attributes
//	scope      name, version, sum of the attributes' hashes, dropped attributes
//	event      time - span's start, name, sum of the attributes' hashes, dropped
//	link       trace id, span id, trace state, sum of the attributes' hashes,
//	           dropped attributes
//	span       see spanHash
//
// Numbers are 64 bits, negative ones in two's complement, all arithmetic wraps.
const (
	hashAttribute uint64 = 'a'
	hashArray     uint64 = 'A' // an attribute that is an array
	hashResource  uint64 = 'r'
	hashScope     uint64 = 's'
	hashEvent     uint64 = 'e'
	hashLink      uint64 = 'l'
	hashSpan      uint64 = 'S'
)

// The kinds of values.
const (
	valueText        uint64 = 1 // text
	valueInt         uint64 = 2 // number
	valueDouble      uint64 = 3 // number, its IEEE bits
	valueBool        uint64 = 4 // number, 0 or 1
	valueUnsupported uint64 = 5 // text, the value as protobuf's JSON
)

// fold takes one more value into a hash. It is a round of wyhash.
func fold(h, v uint64) uint64 {
	hi, lo := bits.Mul64(h^v^0xa0761d6478bd642f, 0xe7037ed1a0b428db)
	return hi ^ lo
}

// foldValue takes one more value of an attribute into its hash.
func foldValue(h, kind, v uint64) uint64 { return fold(h+kind, v) }

// textHash is the hash of a text or of bytes.
func textHash(b []byte) uint64 {
	if len(b) == 8 {
		return fold(8, binary.LittleEndian.Uint64(b))
	}
	return xxhash.Sum64(b)
}

// traceHash is what the hashes of a trace's spans begin with.
func traceHash(key uint64, id *[16]byte) uint64 {
	return fold(fold(fold(hashSpan, key), binary.BigEndian.Uint64(id[:8])), binary.BigEndian.Uint64(id[8:]))
}

// spanHash is what the hash of a span is made of, in this order, after the
// trace. Texts are there by their hashes.
type spanHash struct {
	id, parent, state, name uint64
	kind, start, duration   uint64
	status, message         uint64
	attrs                   uint64 // sum of the attributes' hashes
	dropped                 [3]uint64
	events, links           uint64 // their hashes, folded in their order; 0 for none
	resource, scope         uint64
}

// content is the hash of a span without its resource and scope.
func (s *spanHash) content(trace uint64) uint64 {
	h := trace
	for _, v := range [...]uint64{
		s.id, s.parent, s.state, s.name, s.kind, s.start, s.duration, s.status, s.message, s.attrs,
		s.dropped[0], s.dropped[1], s.dropped[2], s.events, s.links,
	} {
		h = fold(h, v)
	}
	return h
}

func (s *spanHash) sum(trace uint64) uint64 { return placedHash(s.content(trace), s.resource, s.scope) }

// placedHash is the hash of a span by that of its content.
func placedHash(content, resource, scope uint64) uint64 { return fold(fold(content, resource), scope) }

// noTextHash is the hash of an empty text.
var noTextHash = textHash(nil)

func resourceHash(attrs, dropped uint64) uint64 { return fold(fold(hashResource, attrs), dropped) }

func scopeHash(name, version, attrs, dropped uint64) uint64 {
	return fold(fold(fold(fold(hashScope, name), version), attrs), dropped)
}

func eventHash(time, name, attrs, dropped uint64) uint64 {
	return fold(fold(fold(fold(hashEvent, time), name), attrs), dropped)
}

func linkHash(trace, span, state, attrs, dropped uint64) uint64 {
	return fold(fold(fold(fold(fold(hashLink, trace), span), state), attrs), dropped)
}
