package traceql

import (
	"bytes"
	"context"
)

// scan marks the rows of v that have a value which matches. Its error is that of
// ctx.
func (p *Predicate) scan(ctx context.Context, v *Vector, rows *Bitmap) error {
	if err := ctx.Err(); err != nil {
		return err // many comparisons look at one column
	}
	if p.asksPresence() {
		v.present(rows)
		return nil
	}
	for k := range v.Parts {
		if err := p.scanPart(ctx, &v.Parts[k], rows); err != nil {
			return err
		}
	}
	for k := range v.Odd {
		if !p.seesOdd {
			break
		}
		if err := p.scanPart(ctx, &v.Odd[k], rows); err != nil {
			return err
		}
	}
	return nil
}

// MarkPart marks the rows that have a value which matches. Its error is that of ctx.
func (p *Predicate) MarkPart(ctx context.Context, part *Part, rows *Bitmap) error {
	return p.scanPart(ctx, part, rows)
}

func (p *Predicate) scanPart(ctx context.Context, part *Part, rows *Bitmap) error {
	switch {
	case !p.MatchesType(part.Type):
	case part.Width > 0:
		return p.scanRaw(ctx, part, rows)
	case part.Type == TypeString:
		return p.scanStrings(ctx, part, rows)
	case part.Type == TypeFloat:
		for i, f := range part.Floats {
			if i%checkEvery == 0 && ctx.Err() != nil {
				return ctx.Err()
			}
			if p.Match(FloatValue(f)) {
				rows.Set(int(part.Row(i)))
			}
		}
	case p.Value.Type == TypeFloat:
		for i, n := range part.Ints {
			if i%checkEvery == 0 && ctx.Err() != nil {
				return ctx.Err()
			}
			if p.Match(Value{Type: part.Type, Num: n}) {
				rows.Set(int(part.Row(i)))
			}
		}
	default:
		p.scanInts(part, rows)
	}
	return nil
}

// scanStrings asks once about each entry of the dictionary.
func (p *Predicate) scanStrings(ctx context.Context, part *Part, rows *Bitmap) error {
	match, n, err := p.MatchStrings(ctx, part.Dict)
	switch {
	case err != nil:
		return err
	case n == 0:
	case n == len(match):
		part.markAll(rows)
	case n == 1 && part.Rows == nil:
		only := uint32(0)
		for !match[only] {
			only++
		}
		for w := range rows.words {
			from := w << 6
			if from >= len(part.IDs) {
				break
			}
			var word uint64
			for i, id := range part.IDs[from:min(from+64, len(part.IDs))] {
				word |= bit(id == only) << i
			}
			rows.words[w] |= word
		}
	case part.Rows == nil:
		for i, id := range part.IDs {
			rows.words[i>>6] |= bit(match[id]) << (i & 63)
		}
	default:
		for i, id := range part.IDs {
			if match[id] {
				rows.Set(int(part.Rows[i]))
			}
		}
	}
	return nil
}

// markAll marks the row of each value.
func (p *Part) markAll(rows *Bitmap) {
	if p.Rows == nil {
		rows.SetRange(0, p.Len())
		return
	}
	for _, r := range p.Rows {
		rows.Set(int(r))
	}
}

func bit(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}

// scanInts turns the comparison into one or two with a range.
func (p *Predicate) scanInts(part *Part, rows *Bitmap) {
	if p.unsigned && p.impossible() {
		return
	}
	low, high, inside := p.bounds()
	if low > high {
		if !inside {
			part.markAll(rows)
		}
		return
	}
	if part.Rows != nil {
		for i, n := range part.Ints {
			if (n >= low && n <= high) == inside {
				rows.Set(int(part.Rows[i]))
			}
		}
		return
	}
	width := uint64(high) - uint64(low)
	for w := range rows.words {
		from := w << 6
		if from >= len(part.Ints) {
			break
		}
		var word uint64
		for i, n := range part.Ints[from:min(from+64, len(part.Ints))] {
			word |= bit(uint64(n)-uint64(low) <= width == inside) << i
		}
		rows.words[w] |= word
	}
}

const (
	minInt64 = -1 << 63
	maxInt64 = 1<<63 - 1
)

// bounds is the range of integers that match, or, if not inside, all others do.
// It is empty if low is above high.
func (p *Predicate) bounds() (low, high int64, inside bool) {
	n := p.Value.Num
	switch p.Op {
	case OpEq:
		return n, n, true
	case OpNotEq:
		return n, n, false
	case OpGreater:
		if n == maxInt64 {
			return 1, 0, true
		}
		return n + 1, maxInt64, true
	case OpGreaterEq:
		return n, maxInt64, true
	case OpLess:
		if n == minInt64 {
			return 1, 0, true
		}
		return minInt64, n - 1, true
	case OpLessEq:
		return minInt64, n, true
	default:
		return 1, 0, true
	}
}

func (p *Predicate) scanRaw(ctx context.Context, part *Part, rows *Bitmap) error {
	if p.Op == OpEq || p.Op == OpNotEq {
		id, ok := p.raw(part.Width, part.Short)
		switch {
		case ok:
			for i, n := 0, part.Len(); i < n; i++ {
				if bytes.Equal(part.raw(i), id) == (p.Op == OpEq) {
					rows.Set(int(part.Row(i)))
				}
			}
		case p.Op == OpNotEq:
			part.markAll(rows)
		}
		return nil
	}
	for i, n := 0, part.Len(); i < n; i++ {
		if i%checkEvery == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		if p.MatchString(part.hex(i)) {
			rows.Set(int(part.Row(i)))
		}
	}
	return nil
}
