package block

import (
	"encoding/binary"

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

// What a hash is of. The canonical form of each, which is what can be read back
// from a block:
//
//	attribute  key, then one of the values below. An attribute with a column
//	           of its own counts as any other; service.name counts if it is a
//	           text that is not empty. Of several with one key, those that a
//	           column of its own cannot hold do not count.
//	resource   sum of the attributes' hashes, dropped attributes
//	scope      name, version, sum of the attributes' hashes, dropped attributes
//	event      time - span's start, name, sum of the attributes' hashes, dropped
//	link       trace id, span id, trace state, sum of the attributes' hashes,
//	           dropped attributes
//	span       trace id of 16 bytes, span id, parent's span id, trace state,
//	           name, kind, start, end - start, status code, status message, sum
//	           of the attributes' hashes, dropped attributes, events and links,
//	           number of events, their hashes in their order, number of links,
//	           their hashes in their order, resource's hash, scope's hash
//
// Numbers are 64 bits, negative ones in two's complement, all arithmetic wraps.
const (
	hashAttribute byte = 'a'
	hashResource  byte = 'r'
	hashScope     byte = 's'
	hashEvent     byte = 'e'
	hashLink      byte = 'l'
	hashSpan      byte = 'S'
)

// The kinds of values, which come before them. An array is followed by the kind
// and the number of its elements, and by these. An empty one has kind 0.
const (
	valueText        byte = 1 // text
	valueInt         byte = 2 // number
	valueDouble      byte = 3 // number, its IEEE bits
	valueBool        byte = 4 // number, 0 or 1
	valueArray       byte = 5
	valueUnsupported byte = 6 // text, the value as protobuf's JSON
)

// hasher makes one hash after the other, under a key.
type hasher struct {
	key uint64
	buf []byte
}

func (h *hasher) begin(kind byte) {
	h.buf = append(binary.LittleEndian.AppendUint64(h.buf[:0], h.key), kind)
}

func (h *hasher) byte(b byte)     { h.buf = append(h.buf, b) }
func (h *hasher) number(v uint64) { h.buf = binary.LittleEndian.AppendUint64(h.buf, v) }

// text is a length and the bytes.
func (h *hasher) text(b []byte) {
	if len(b) < 0x80 {
		h.buf = append(h.buf, byte(len(b)))
	} else {
		h.buf = binary.AppendUvarint(h.buf, uint64(len(b)))
	}
	h.buf = append(h.buf, b...)
}

func (h *hasher) sum() uint64 { return xxhash.Sum64(h.buf) }
