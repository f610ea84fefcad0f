package oracle

import "fmt"

// finding is what was read of one trace, from one answer or from all blocks.
type finding struct {
	trace  uint64
	seenIn []uint32 // by span: 1 + the number of the source that it was last seen in

	inStore  uint32   // so many sources, the first, are blocks of one store
	repeated []uint32 // spans that two of these have

	acked, found, extra                              int64
	missing, corrupted, invented, duplicated, copies int64
	missingOf                                        []uint32
	examples                                         []string
	err                                              error
}

// see takes in one span, read from a source: an answer, or a block.
func (f *finding) see(o *formula, source int, c content) {
	index, ok := o.indexOf(f.trace, c.spanID[:])
	if !ok || int(index) >= len(f.seenIn) {
		f.invented++
		f.example("span %x was never sent (index %d of %d, as by formula %v)", c.spanID, index, len(f.seenIn), ok)
		return
	}
	switch f.seenIn[index] {
	case 0:
	case uint32(source) + 1:
		f.duplicated++
	default:
		f.copies++
		if uint32(source) < f.inStore && f.seenIn[index] <= f.inStore {
			f.repeated = append(f.repeated, index)
		}
	}
	f.seenIn[index] = uint32(source) + 1
	if want := o.span(place{f.trace, index}); c != want {
		f.corrupted++
		f.example("span %d is %+v, was sent as %+v", index, c, want)
	}
}

// conclude compares what was seen with what was sent.
func (f *finding) conclude(rec record) {
	for i, acked := range rec.acked {
		switch seen := f.seenIn[i] > 0; {
		case acked && seen:
			f.acked++
			f.found++
		case acked:
			f.acked++
			f.missing++
			f.missingOf = append(f.missingOf, rec.request[i])
		case seen:
			f.extra++
		}
	}
	if f.missing > 0 {
		f.example("%d of %d spans answered 200 are missing", f.missing, f.acked)
	}
}

// judgeRepeated tells spans that a store has twice though they were sent once
// from those that a client sent again.
func (f *finding) judgeRepeated(rec record, again map[uint32]int) {
	for _, i := range f.repeated {
		if again[rec.request[i]] == 0 {
			f.duplicated++
			f.example("span %d was sent once, and is in two blocks", i)
		}
	}
}

func (f *finding) example(format string, args ...any) {
	if len(f.examples) < 3 {
		f.examples = append(f.examples, fmt.Sprintf("trace %d: ", f.trace)+fmt.Sprintf(format, args...))
	}
}
