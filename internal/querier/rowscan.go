package querier

import (
	"context"
	"fmt"

	"appliance/internal/block"
	"appliance/internal/block/parquet"
	"appliance/internal/traceql"
)

// scan reads a column that has a value for each of so many rows.
func (b *rowBatch) scan(ctx context.Context, c intrinsicColumn, rows int, want block.Wanted) (traceql.Part, error) {
	out := traceql.Part{Type: c.kind, Width: c.width, Short: c.short}
	if err := b.budget.Read(b.g.Bytes(c.role)); err != nil {
		return out, err
	}
	var v parquet.Values
	switch {
	case want != nil:
	case c.kind != traceql.TypeString:
		v.Ints = make([]int64, 0, rows)
	case c.width == 0:
		v.IDs = make([]uint32, 0, rows)
	}
	dict, runs, err := b.g.Scan(ctx, c.role, want, &v)
	switch {
	case err != nil:
		return out, err
	case c.width > 0:
		out.Raw, err = identifiers(&v, dict, c.width)
	case c.kind == traceql.TypeString && dict != nil:
		out.IDs, out.Dict = v.IDs, b.strings(dict)
	case c.kind == traceql.TypeString:
		out.IDs, out.Dict = distinct(&v.Bytes)
	default:
		out.Ints = v.Ints
	}
	if runs != nil {
		out.Rows = rowsOf(runs, out.Len())
	}
	return out, err
}

// rowsOf are the numbers of n rows that are in some runs.
func rowsOf(runs []block.Run, n int) []uint32 {
	rows := make([]uint32, 0, n)
	for _, r := range runs {
		for row := r.From; row < r.To; row++ {
			rows = append(rows, row)
		}
	}
	return rows
}

// strings are the texts of a dictionary, which columns share.
func (b *rowBatch) strings(d *parquet.Dictionary) []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	s, ok := b.dicts[d]
	if !ok {
		s = d.Strings()
		b.dicts[d] = s
	}
	return s
}

// distinct makes a dictionary of a column that is stored without one.
func distinct(v *parquet.ByteArrays) (ids []uint32, dict []string) {
	known := map[string]uint32{}
	ids = make([]uint32, v.Len())
	for i := range ids {
		text := v.At(i)
		id, ok := known[string(text)]
		if !ok {
			id = uint32(len(dict))
			dict = append(dict, string(text))
			known[dict[id]] = id
		}
		ids[i] = id
	}
	return ids, dict
}

// identifiers makes all of one width, filled up on the left. One that is not
// there is zero.
func identifiers(v *parquet.Values, dict *parquet.Dictionary, width int) ([]byte, error) {
	n := v.Bytes.Len()
	if dict != nil {
		n = len(v.IDs)
	}
	raw := make([]byte, n*width)
	for i := range n {
		var id []byte
		if dict == nil {
			id = v.Bytes.At(i)
		} else if int(v.IDs[i]) < dict.Len() {
			id = dict.At(v.IDs[i])
		}
		if len(id) > width {
			return nil, fmt.Errorf("%w: an identifier of %d bytes, expected at most %d", block.ErrDamaged, len(id), width)
		}
		copy(raw[(i+1)*width-len(id):], id)
	}
	return raw, nil
}

// present leaves out the rows whose text is empty.
func present(p traceql.Part) traceql.Part {
	out := traceql.Part{Type: p.Type, Dict: p.Dict, Rows: []uint32{}}
	for i, id := range p.IDs {
		if p.Dict[id] != "" {
			out.Rows, out.IDs = append(out.Rows, p.Row(i)), append(out.IDs, id)
		}
	}
	return out
}

// childCounts counts the spans that name each span as their parent.
func (b *rowBatch) childCounts(ctx context.Context) (*traceql.Vector, error) {
	ids, err := b.scan(ctx, intrinsics[traceql.IntrinsicSpanID], b.spans(), nil)
	if err != nil {
		return nil, err
	}
	parents, err := b.scan(ctx, intrinsics[traceql.IntrinsicParentID], b.spans(), nil)
	if err != nil {
		return nil, err
	}
	counts := make([]int64, b.spans())
	children := map[[8]byte]int64{}
	for t := range len(b.shape.Spans) - 1 {
		clear(children)
		from, to := b.shape.Spans[t], b.shape.Spans[t+1]
		for s := from; s < to; s++ {
			if id := [8]byte(parents.Raw[8*s:]); id != [8]byte{} {
				children[id]++
			}
		}
		for s := from; s < to; s++ {
			counts[s] = children[[8]byte(ids.Raw[8*s:])]
		}
	}
	return &traceql.Vector{Parts: []traceql.Part{{Type: traceql.TypeInt, Ints: counts}}}, nil
}

// sinceStart is the time of events since their span's start. vParquet3 has the
// time itself.
func (b *rowBatch) sinceStart(ctx context.Context, want block.Wanted) (*traceql.Vector, error) {
	c := intrinsicColumn{role: block.EventTime, kind: traceql.TypeDuration}
	if !b.g.Has(block.EventTime) {
		c.role = block.EventTimeUnix
		want = nil // events and spans are read side by side
	}
	if b.absent(traceql.LevelEvent, c.role) {
		return &traceql.Vector{}, nil
	}
	part, err := b.scan(ctx, c, b.Rows(traceql.LevelEvent), want)
	if err != nil || c.role == block.EventTime {
		return &traceql.Vector{Parts: []traceql.Part{part}}, err
	}
	starts, err := b.scan(ctx, intrinsics[traceql.IntrinsicStart], b.spans(), want)
	if err != nil {
		return nil, err
	}
	offsets, err := b.Offsets(ctx, traceql.LevelEvent)
	if err != nil {
		return nil, err
	}
	for s := range len(offsets) - 1 {
		for e := offsets[s]; e < offsets[s+1]; e++ {
			part.Ints[e] -= starts.Ints[s]
		}
	}
	return &traceql.Vector{Parts: []traceql.Part{part}}, nil
}
