package querier

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"slices"
	"sync"

	"appliance/internal/traceql"
)

// heldSpan is a span of a split trace in one unit.
type heldSpan struct {
	trace, unit int32
	id          uint64
}

// withCopies are those of the split traces of which a span's id is in more than
// one unit. A query that looks at each span alone needs only these as wholes:
// they may have copies.
func (r *run) withCopies(ctx context.Context, sp *split) (*split, error) {
	var units []*unit
	number := map[*unit]int32{}
	for _, list := range sp.units {
		for _, u := range list {
			if _, known := number[u]; !known {
				number[u] = int32(len(units))
				units = append(units, u)
			}
		}
	}
	var mu sync.Mutex
	var all []heldSpan
	err := r.each(ctx, units, &split{}, func(ctx context.Context, u *unit, b traceql.Batch) error {
		found, err := sp.spansIn(ctx, b, number[u])
		if err != nil {
			return err
		}
		mu.Lock()
		all = append(all, found...)
		mu.Unlock()
		return r.hold(int64(16 * len(found)))
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(all, func(a, b heldSpan) int {
		return cmp.Or(cmp.Compare(a.trace, b.trace), cmp.Compare(a.id, b.id), cmp.Compare(a.unit, b.unit))
	})
	out := &split{}
	last := int32(-1)
	for i := 1; i < len(all); i++ {
		a, b := all[i-1], all[i]
		if a.trace == b.trace && a.id == b.id && a.unit != b.unit && a.trace != last {
			last = a.trace
			out.ids = append(out.ids, sp.ids[16*last:16*last+16]...)
			out.units = append(out.units, sp.units[last])
		}
	}
	return out, nil
}

// spansIn are the spans that a batch has of the split traces.
func (s *split) spansIn(ctx context.Context, b traceql.Batch, unit int32) (found []heldSpan, err error) {
	ids, err := tracesOf(ctx, b)
	if err != nil || len(ids) == 0 {
		return nil, err
	}
	v, err := b.Column(ctx, traceql.Field{Intrinsic: traceql.IntrinsicSpanID}, nil)
	if err != nil {
		return nil, err
	}
	offsets, err := b.Offsets(ctx, traceql.LevelTrace)
	if err != nil {
		return nil, err
	}
	spans := b.Rows(traceql.LevelSpan)
	if len(v.Parts) != 1 || len(v.Parts[0].Raw) != 8*spans {
		return nil, errors.New("read the span ids of a batch: not one for each span")
	}
	s.each(ids, func(split, row int) {
		for i := offsets[row]; i < offsets[row+1]; i++ {
			found = append(found, heldSpan{int32(split), unit, binary.BigEndian.Uint64(v.Parts[0].Raw[8*i:])})
		}
	})
	return found, nil
}

// each calls visit with each split trace that a batch with the traces ids has,
// and its row there.
func (s *split) each(ids []byte, visit func(split, row int)) {
	rows := len(ids) / 16
	for at := findID(s.ids, ids[:16]); at < s.len(); at++ {
		id := s.ids[16*at : 16*at+16]
		row := findID(ids, id)
		if row == rows {
			return
		}
		for ; row < rows && bytes.Equal(ids[16*row:16*row+16], id); row++ {
			visit(at, row)
		}
	}
}
