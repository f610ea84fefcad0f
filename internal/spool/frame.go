package spool

import (
	"encoding/binary"
	"hash/crc32"
	"time"
)

// A frame is a header, the tenant's name and the payload; FORMAT.md has the
// layout. The CRC of the header covers the name, so that a record can be
// accounted for although its payload is damaged, and is seeded with the
// segment's salt and the offset, so that a frame is only valid where it was written.
const (
	headerSize = 48
	crcOffset  = 44

	kindRecord = 1
	kindFooter = 2
)

var (
	marker     = []byte{0xf5, 'S', 'P', 0x1e}
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
	order      = binary.LittleEndian
)

// header describes one frame.
type header struct {
	kind    byte
	tenant  string
	payload uint32 // bytes
	index   uint32 // of the record in its segment, from 0
	spans   uint32
	group   uint32 // where the group began with which it was written: all before was synced
	time    int64  // unix nanoseconds, 0 for none
	before  uint64 // spans of all records before it in the segment
	sum     uint32 // CRC32C of the payload
}

func (h *header) size() int64 { return headerSize + int64(len(h.tenant)) + int64(h.payload) }

// body is where the payload begins, counted from the frame's start.
func (h *header) body() int64 { return headerSize + int64(len(h.tenant)) }

func (h *header) counts() Counts { return Counts{Records: 1, Spans: int64(h.spans)} }

func (h *header) when() time.Time {
	if h.time == 0 {
		return time.Time{}
	}
	return time.Unix(0, h.time)
}

// appendTo appends the header and the tenant's name as they are at off.
func (h *header) appendTo(b []byte, salt uint64, off int64) []byte {
	start := len(b)
	b = append(b, marker...)
	b = append(b, h.kind, byte(len(h.tenant)), 0, 0)
	b = order.AppendUint32(b, h.payload)
	b = order.AppendUint32(b, h.index)
	b = order.AppendUint32(b, h.spans)
	b = order.AppendUint32(b, h.group)
	b = order.AppendUint64(b, uint64(h.time))
	b = order.AppendUint64(b, h.before)
	b = order.AppendUint32(b, h.sum)
	b = append(b, 0, 0, 0, 0)
	b = append(b, h.tenant...)
	order.PutUint32(b[start+crcOffset:], headerSum(b[start:], salt, off))
	return b
}

// parseHeader reads the header at the start of b, which was read from off. It
// is false for anything but a header that was written for this place.
func parseHeader(b []byte, salt uint64, off int64) (header, bool) {
	if len(b) < headerSize || string(b[:len(marker)]) != string(marker) {
		return header{}, false
	}
	end := headerSize + int(b[5])
	if len(b) < end || headerSum(b[:end], salt, off) != order.Uint32(b[crcOffset:]) {
		return header{}, false
	}
	h := header{
		kind:    b[4],
		payload: order.Uint32(b[8:]),
		index:   order.Uint32(b[12:]),
		spans:   order.Uint32(b[16:]),
		group:   order.Uint32(b[20:]),
		time:    int64(order.Uint64(b[24:])),
		before:  order.Uint64(b[32:]),
		sum:     order.Uint32(b[40:]),
		tenant:  string(b[headerSize:end]),
	}
	return h, h.kind == kindRecord || h.kind == kindFooter
}

// headerSum covers everything in b but the sum itself.
func headerSum(b []byte, salt uint64, off int64) uint32 {
	var seed [16]byte
	order.PutUint64(seed[:], salt)
	order.PutUint64(seed[8:], uint64(off))
	sum := crc32.Update(0, castagnoli, seed[:])
	sum = crc32.Update(sum, castagnoli, b[:crcOffset])
	return crc32.Update(sum, castagnoli, b[headerSize:])
}

func payloadSum(p []byte) uint32 { return crc32.Checksum(p, castagnoli) }
