package tail

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"sort"
	"unsafe"

	"appliance/internal/durable"
)

const (
	suffix  = ".verdicts"
	maxFile = 4 << 30
)

// segment is the outcomes of one segment of the spool: some twelve bytes for a
// record that is not handed out whole, and none for one that is.
type segment struct {
	outcomes distinct[ruled]
	rules    distinct[string]
	tenants  distinct[string]
	text     int   // bytes of all names
	last     int64 // offset of the last record with an outcome; all are above 0

	records []byte  // as store writes them
	places  []place // of each placeEvery-th of them
	since   int     // how many there are from the last place on
	stored  int64   // offset of the last of them
	room    []byte
}

// ruled is the verdict of an outcome: 8 bytes.
type ruled struct {
	rule      uint32 // index of segment.rules
	threshold uint32 // packed
}

// place is where in segment.records the record of an offset is.
type place struct {
	offset int64
	begin  int
}

const placeEvery = 16

// add takes in a frame. Of a record that is there already the second is not: it
// was written again after a failure.
func (s *segment) add(f *frame) {
	outcomes, tenants := make([]int, len(f.outcomes)), make([]int, len(f.tenants))
	for i, v := range f.outcomes {
		outcomes[i] = s.outcomes.of(ruled{uint32(s.name(&s.rules, v.rule)), pack(v.threshold)})
	}
	for i, name := range f.tenants {
		tenants[i] = s.name(&s.tenants, name)
	}
	for i := range f.records {
		o := &f.records[i]
		if o.offset <= s.last {
			continue
		}
		s.last = o.offset
		if !o.whole(f.outcomes) {
			s.store(o, outcomes, tenants)
		}
	}
}

// name is the number of a name.
func (s *segment) name(in *distinct[string], text string) int {
	before := len(in.list)
	i := in.of(text)
	if len(in.list) > before {
		s.text += len(text)
	}
	return i
}

// store appends a record, whose outcomes and tenant get other numbers.
func (s *segment) store(o *outcome, outcomes, tenants []int) {
	if s.since == placeEvery || len(s.places) == 0 {
		s.places = append(s.places, place{o.offset, len(s.records)})
		s.since, s.stored = 0, o.offset
	}
	b := appendNumbers(s.room[:0], uint64(tenants[o.tenant]), uint64(o.spans), uint64(len(o.runs)), uint64(len(o.left)))
	for _, r := range o.runs {
		b = appendNumbers(b, uint64(outcomes[r.outcome]), uint64(r.spans))
	}
	for _, l := range o.left {
		b = appendNumbers(b, uint64(outcomes[l.outcome]), uint64(l.spans))
	}
	s.records = appendNumbers(s.records, uint64(o.offset-s.stored), uint64(len(b)))
	s.records = append(s.records, b...)
	s.room, s.stored = b, o.offset
	s.since++
}

// from is the records of a place: their offsets, and what was stored of them.
func (s *segment) from(i int) iter.Seq2[int64, []byte] {
	end := len(s.records)
	if i+1 < len(s.places) {
		end = s.places[i+1].begin
	}
	return func(yield func(int64, []byte) bool) {
		r, offset := reader{b: s.records[s.places[i].begin:end]}, s.places[i].offset
		for len(r.b) > 0 {
			offset += int64(r.number())
			if !yield(offset, r.text()) {
				return
			}
		}
	}
}

// outcomeIn reads what was stored of a record.
func outcomeIn(offset int64, b []byte) *outcome {
	r := reader{b: b}
	o := &outcome{offset: offset, tenant: int(r.number()), spans: int64(r.number())}
	o.runs, o.left = make([]run, r.number()), make([]leftOut, r.number())
	for i := range o.runs {
		o.runs[i] = run{int(r.number()), int(r.number())}
	}
	for i := range o.left {
		o.left[i] = leftOut{int(r.number()), int64(r.number())}
	}
	return o
}

// find is the outcome of a record; nil where it is handed out whole.
func (s *segment) find(offset int64) *outcome {
	behind := sort.Search(len(s.places), func(i int) bool { return s.places[i].offset > offset })
	if behind == 0 {
		return nil
	}
	for at, b := range s.from(behind - 1) {
		if at == offset {
			return outcomeIn(at, b)
		}
		if at > offset {
			break
		}
	}
	return nil
}

// each calls yield with what was left out of the records: tenant, rule, spans.
func (s *segment) each(yield func(tenant, rule string, spans int64)) {
	for i := range s.places {
		for at, b := range s.from(i) {
			o := outcomeIn(at, b)
			for _, l := range o.left {
				yield(s.tenants.list[o.tenant], s.rules.list[s.outcomes.list[l.outcome].rule], l.spans)
			}
		}
	}
}

// size is about how many bytes the segment takes.
func (s *segment) size() int {
	const entry = 48 // of a list and its map
	return s.text + int(unsafe.Sizeof(*s)) + cap(s.records) + cap(s.room) + cap(s.places)*int(unsafe.Sizeof(place{})) +
		entry*(len(s.outcomes.list)+len(s.rules.list)+len(s.tenants.list))
}

// distinct gives things numbers, from 0.
type distinct[T comparable] struct {
	list   []T
	number map[T]int
}

func (n *distinct[T]) of(x T) int {
	i, ok := n.number[x]
	if !ok {
		if n.number == nil {
			n.number = map[T]int{}
		}
		i = len(n.list)
		n.list, n.number[x] = append(n.list, x), i
	}
	return i
}

// readSegment reads a file of verdicts. good is where its last whole frame ends.
// each is called with each frame.
func readSegment(fsys durable.FS, path string, each func(*frame)) (s *segment, good int64, err error) {
	b, err := durable.ReadFile(fsys, path, maxFile)
	if errors.Is(err, fs.ErrNotExist) {
		return &segment{}, 0, nil
	}
	if err != nil {
		return nil, 0, fmt.Errorf("read verdicts: %w", err)
	}
	s = &segment{}
	if !bytes.HasPrefix(b, []byte(fileMagic)) {
		return s, 0, nil
	}
	rest := b[len(fileMagic):]
	for {
		f, n, err := frameAt(rest)
		if err != nil {
			return s, int64(len(b) - len(rest)), nil
		}
		rest = rest[n:]
		s.add(&f)
		if each != nil {
			each(&f)
		}
	}
}
