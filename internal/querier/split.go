package querier

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"sort"

	"appliance/internal/block"
	"appliance/internal/traceql"
)

// split are the traces that are in more than one unit, ascending by id.
type split struct {
	ids   []byte    // 16 bytes each
	units [][]*unit // that have the trace
}

func (s *split) len() int { return len(s.units) }

func (s *split) id(i int) traceID { return traceID(s.ids[16*i:]) }

// unitsOf are the units that have a trace, none if it is not split.
func (s *split) unitsOf(id traceID) []*unit {
	if i := findID(s.ids, id[:]); i < s.len() && s.id(i) == id {
		return s.units[i]
	}
	return nil
}

// part are the traces from one to another.
func (s *split) part(from, to int) *split {
	return &split{ids: s.ids[16*from : 16*to], units: s.units[from:to]}
}

// only are those of the traces that have one of some identifiers.
func (s *split) only(ids []byte) *split {
	out := &split{}
	for ; len(ids) > 0; ids = ids[16:] {
		if units := s.unitsOf(traceID(ids)); units != nil {
			out.ids, out.units = append(out.ids, ids[:16]...), append(out.units, units)
		}
	}
	return out
}

// hasID says whether an identifier is among ascending ones.
func hasID(ids []byte, id traceID) bool {
	n := len(ids) / 16
	i := findID(ids, id[:])
	return i < n && traceID(ids[16*i:]) == id
}

// findID is the place of the first identifier that is not below id.
func findID(ids, id []byte) int {
	return sort.Search(len(ids)/16, func(i int) bool { return bytes.Compare(ids[16*i:16*i+16], id) >= 0 })
}

// splitOverhead is about how much memory a split trace takes for each unit that
// has it.
const splitOverhead = 48

// findSplit merges the identifiers of all units. A unit whose identifiers cannot
// be read is left out of the query, and so it is of units.
func (r *run) findSplit(ctx context.Context, units []*unit) (*split, []*unit, error) {
	if len(units) < 2 {
		return &split{}, units, nil
	}
	for {
		s, bad, err := r.mergeIDs(ctx, units)
		if bad == nil {
			return s, units, err
		}
		if !r.lose(ctx, bad, err) {
			return nil, nil, err
		}
		var rest []*unit
		for _, u := range units {
			if u != bad {
				rest = append(rest, u)
			}
		}
		units = rest
	}
}

// idStream is the identifiers of a unit that are still to come.
type idStream struct {
	unit *unit
	next func() ([]byte, error, bool)
	stop func()
	ids  []byte // the first is the current one
	last traceID
}

// mergeIDs finds the identifiers that several units have. bad is the unit that
// an error is of.
func (r *run) mergeIDs(ctx context.Context, units []*unit) (s *split, bad *unit, err error) {
	var h idHeap
	defer func() {
		for _, st := range h {
			st.stop()
		}
	}()
	for _, u := range units {
		st := &idStream{unit: u}
		st.next, st.stop = iter.Pull2(u.ids(ctx))
		more, err := st.advance(ctx, 0)
		if more {
			h = append(h, st)
		} else {
			st.stop()
		}
		if err != nil {
			return nil, u, err
		}
	}
	for i := len(h)/2 - 1; i >= 0; i-- {
		h.down(i)
	}
	s = &split{}
	var first *unit // that has the last identifier
	var last traceID
	for len(h) > 0 {
		top := h[0]
		id := traceID(top.ids)
		switch {
		case first == nil || id != last:
			first, last = top.unit, id
		case s.len() > 0 && s.id(s.len()-1) == id:
			s.units[s.len()-1] = append(s.units[s.len()-1], top.unit)
			err = r.hold(splitOverhead)
		default:
			s.ids = append(s.ids, id[:]...)
			s.units = append(s.units, []*unit{first, top.unit})
			err = r.hold(2 * splitOverhead)
		}
		if err != nil {
			return nil, nil, err
		}
		more, err := top.advance(ctx, 16)
		if err != nil {
			return nil, top.unit, err
		}
		if !more {
			top.stop()
			h[0] = h[len(h)-1]
			h = h[:len(h)-1]
		}
		h.down(0)
	}
	return s, nil, nil
}

// advance passes over n bytes of identifiers, and says whether there is another.
func (s *idStream) advance(ctx context.Context, n int) (more bool, err error) {
	s.ids = s.ids[n:]
	for len(s.ids) == 0 {
		var ok bool
		if s.ids, err, ok = s.next(); err != nil || !ok {
			return false, err
		}
		if err := ctx.Err(); err != nil {
			return false, err
		}
	}
	if bytes.Compare(s.ids[:16], s.last[:]) < 0 {
		return false, fmt.Errorf("%w: trace %x comes after %x", block.ErrDamaged, s.ids[:16], s.last)
	}
	s.last = traceID(s.ids)
	return true, nil
}

// idHeap has the stream with the lowest identifier first.
type idHeap []*idStream

func (h idHeap) down(i int) {
	for {
		least := i
		for _, c := range [...]int{2*i + 1, 2*i + 2} {
			if c < len(h) && bytes.Compare(h[c].last[:], h[least].last[:]) < 0 {
				least = c
			}
		}
		if least == i {
			return
		}
		h[i], h[least] = h[least], h[i]
		i = least
	}
}

// hide is a batch of a unit without the traces that are split.
func (s *split) hide(ctx context.Context, b traceql.Batch) (traceql.Batch, error) {
	if s.len() == 0 {
		return b, nil
	}
	ids, err := tracesOf(ctx, b)
	if err != nil {
		return nil, err
	}
	if len(ids) == 0 {
		return b, nil
	}
	hidden := traceql.NewBitmap(len(ids) / 16)
	s.each(ids, func(_, row int) { hidden.Set(row) })
	return traceql.Without(b, hidden), nil
}
