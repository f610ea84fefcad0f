package tail

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
)

// frame is what is written of some records at once, before anything of them is
// handed out. FORMAT.md documents its bytes.
type frame struct {
	time     int64 // Unix nanoseconds
	outcomes []verdict
	tenants  []string
	traces   []decided
	records  []outcome
}

// decided is the verdict on a trace.
type decided struct {
	id      [16]byte
	tenant  int // index of frame.tenants
	outcome int // index of frame.outcomes
	spans   uint64
	flags   uint64
}

const (
	decidedEarly = 1 << iota // before decision_wait was over, for want of memory
	rootMissing
)

// outcome is what is left of a record.
type outcome struct {
	offset int64 // in the segment
	tenant int
	spans  int64
	runs   []run
	left   []leftOut
}

// run is so many spans, in the order of their bytes, of one verdict.
type run struct{ outcome, spans int }

// leftOut is how many spans of an outcome are left out.
type leftOut struct {
	outcome int
	spans   int64
}

// kept is how many spans are left.
func (o *outcome) kept() int64 {
	n := o.spans
	for _, l := range o.left {
		n -= l.spans
	}
	return n
}

// whole says that nothing of the record changes.
func (o *outcome) whole(outcomes []verdict) bool {
	for _, r := range o.runs {
		if outcomes[r.outcome].threshold != keepAll {
			return false
		}
	}
	return true
}

const (
	fileMagic   = "apltail1"
	frameHeader = 8 // length and sum of what follows
	maxFrame    = 1 << 30
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

var errFrame = errors.New("not a frame of verdicts")

// append appends the frame's bytes, its header included.
func (f *frame) append(dst []byte) []byte {
	start := len(dst)
	b := append(dst, make([]byte, frameHeader)...)
	b = binary.LittleEndian.AppendUint64(b, uint64(f.time))
	b = binary.AppendUvarint(b, uint64(len(f.outcomes)))
	for _, o := range f.outcomes {
		b = binary.LittleEndian.AppendUint32(appendText(b, o.rule), pack(o.threshold))
	}
	b = binary.AppendUvarint(b, uint64(len(f.tenants)))
	for _, t := range f.tenants {
		b = appendText(b, t)
	}
	b = binary.AppendUvarint(b, uint64(len(f.traces)))
	for _, t := range f.traces {
		b = append(b, t.id[:]...)
		b = appendNumbers(b, uint64(t.tenant), uint64(t.outcome), t.spans, t.flags)
	}
	b = binary.AppendUvarint(b, uint64(len(f.records)))
	for _, o := range f.records {
		b = appendNumbers(b, uint64(o.offset), uint64(o.tenant), uint64(o.spans), uint64(len(o.runs)), uint64(len(o.left)))
		for _, r := range o.runs {
			b = appendNumbers(b, uint64(r.outcome), uint64(r.spans))
		}
		for _, l := range o.left {
			b = appendNumbers(b, uint64(l.outcome), uint64(l.spans))
		}
	}
	body := b[start+frameHeader:]
	binary.LittleEndian.PutUint32(b[start:], uint32(len(body)))
	binary.LittleEndian.PutUint32(b[start+4:], crc32.Checksum(body, castagnoli))
	return b
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func appendNumbers(b []byte, numbers ...uint64) []byte {
	for _, n := range numbers {
		b = binary.AppendUvarint(b, n)
	}
	return b
}

// frameAt reads the frame that b begins with, and how long it is. An error is
// that of a frame that was not written to its end, or that the disk has damaged.
func frameAt(b []byte) (f frame, size int, err error) {
	if len(b) < frameHeader {
		return f, 0, errFrame
	}
	n := int(binary.LittleEndian.Uint32(b))
	if n > maxFrame || n > len(b)-frameHeader {
		return f, 0, errFrame
	}
	body := b[frameHeader : frameHeader+n]
	if crc32.Checksum(body, castagnoli) != binary.LittleEndian.Uint32(b[4:]) {
		return f, 0, errFrame
	}
	r := reader{b: body}
	f.time = int64(binary.LittleEndian.Uint64(r.bytes(8)))
	for range r.count() {
		rule := string(r.text())
		f.outcomes = append(f.outcomes, verdict{rule, unpack(binary.LittleEndian.Uint32(r.bytes(4)))})
	}
	for range r.count() {
		f.tenants = append(f.tenants, string(r.text()))
	}
	for range r.count() {
		t := decided{id: [16]byte(r.bytes(16))}
		t.tenant, t.outcome, t.spans, t.flags = r.below(len(f.tenants)), r.below(len(f.outcomes)), r.number(), r.number()
		f.traces = append(f.traces, t)
	}
	for range r.count() {
		o := outcome{offset: int64(r.number()), tenant: r.below(len(f.tenants)), spans: int64(r.number())}
		runs, left := r.count(), r.count()
		for range runs {
			o.runs = append(o.runs, run{r.below(len(f.outcomes)), int(r.number())})
		}
		for range left {
			o.left = append(o.left, leftOut{r.below(len(f.outcomes)), int64(r.number())})
		}
		f.records = append(f.records, o)
	}
	if r.bad || len(r.b) > 0 {
		return frame{}, 0, errFrame
	}
	return f, frameHeader + n, nil
}

// reader reads a frame. What is not there is zero, and makes it bad.
type reader struct {
	b   []byte
	bad bool
}

var zeros [16]byte

func (r *reader) bytes(n int) []byte {
	if n > len(r.b) {
		r.bad, r.b = true, nil
		return zeros[:min(n, len(zeros))]
	}
	out := r.b[:n]
	r.b = r.b[n:]
	return out
}

func (r *reader) number() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.bad, r.b = true, nil
		return 0
	}
	r.b = r.b[n:]
	return v
}

// count is how many of something follow, each of at least one byte.
func (r *reader) count() int { return r.below(len(r.b) + 1) }

func (r *reader) below(n int) int {
	v := r.number()
	if v >= uint64(max(n, 1)) || n == 0 {
		r.bad, r.b = true, nil
		return 0
	}
	return int(v)
}

func (r *reader) text() []byte {
	n := r.count()
	if n == 0 {
		return nil
	}
	if n > len(r.b) {
		r.bad, r.b = true, nil
		return nil
	}
	return r.bytes(n)
}
