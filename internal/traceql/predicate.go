package traceql

import (
	"context"
	"encoding/hex"
	"iter"
	"slices"
	"strings"
)

// Predicate is a comparison of a field's values with a value that the query
// says. It is compiled once for a query, and may be used by several goroutines.
type Predicate struct {
	Op    Op
	Value Value

	regex *Regexp
	// loose lets an integer match a duration and the like: the types of
	// intrinsics are known, so that what was meant is clear. Attributes match
	// their own type alone.
	loose bool
	// unsigned makes comparisons with numbers below zero false, as on an
	// unsigned column.
	unsigned bool
	// siblings find values of other types that the predicate then looks at too
	// (finders.go).
	siblings *numbersFound
	// ofResource is the predicate for values of resources, where the attribute
	// has no scope and others find them. nil: it is this one.
	ofResource *Predicate
	// seesOdd makes the predicate look at Vector.Odd.
	seesOdd bool
}

// compileRegex compiles what Parse has checked.
func compileRegex(text string, at Pos) (*Regexp, error) {
	re, err := CompileRegexp(text)
	if err != nil {
		return nil, errorAt(at, "regular expression %q: %v", text, err)
	}
	return re, nil
}

func newPredicate(f Field, op Op, lit *Literal) (*Predicate, error) {
	p := &Predicate{Op: op, Value: literalValue(lit), loose: f.Intrinsic != IntrinsicNone}
	p.unsigned = f.Intrinsic == IntrinsicDuration || f.Intrinsic == IntrinsicTraceDuration
	t, known := WellKnown(f)
	if unscoped(f) {
		t, known = WellKnown(resourceField(f))
		if !known {
			t, known = WellKnown(spanField(f))
		}
	}
	p.seesOdd = known && p.Value.Type != t && p.Value.Type != TypeNil
	if op == OpRegex || op == OpNotRegex {
		var err error
		if p.regex, err = compileRegex(lit.Str, lit.At); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// same says whether two predicates of one field are true for the same values.
func (p *Predicate) same(other *Predicate) bool {
	return p == other || p.Op == other.Op && p.Value == other.Value && p.siblings == nil && other.siblings == nil
}

// presence is the predicate != nil.
func presence() *Predicate { return &Predicate{Op: OpNotEq} }

// asksPresence says whether every value matches, of whichever type.
func (p *Predicate) asksPresence() bool { return p.Op == OpNotEq && p.Value.Type == TypeNil }

// asksAbsence says whether the predicate is = nil.
func (p *Predicate) asksAbsence() bool { return p.Op == OpEq && p.Value.Type == TypeNil }

// MatchesType says whether any value of the type can match.
func (p *Predicate) MatchesType(t Type) bool {
	switch {
	case p.asksPresence():
		return true
	case t == p.Value.Type:
		return true
	case p.loose, p.siblings != nil:
		return Value{Type: t}.numeric() && p.Value.numeric()
	default:
		return false
	}
}

// OnlyType says whether values of one type alone can match.
func (p *Predicate) OnlyType(t Type) bool {
	return p.Value.Type == t && t != TypeNil && !p.loose && p.siblings == nil
}

// Match says whether the value matches.
func (p *Predicate) Match(v Value) bool {
	if v.Type == TypeNil || !p.MatchesType(v.Type) {
		return false
	}
	switch {
	case p.asksPresence():
		return true
	case p.regex != nil:
		return p.MatchString(v.Str)
	case p.unsigned && p.impossible(), !p.finds(v):
		return false
	default:
		return compareValues(p.Op, v, p.Value)
	}
}

// finds says whether the predicate or a sibling finds the value.
func (p *Predicate) finds(v Value) bool {
	return v.Type == p.Value.Type || p.loose || p.siblings.has(v)
}

// SeesOdd says whether the predicate looks at Vector.Odd.
func (p *Predicate) SeesOdd() bool { return p.seesOdd }

// impossible says whether no number matches that is not below zero.
func (p *Predicate) impossible() bool {
	f := p.Value.Float()
	switch p.Op {
	case OpLess:
		return f <= 0
	case OpLessEq, OpEq:
		return f < 0
	default:
		return false
	}
}

// MatchString says whether a text matches, where the predicate's value is one.
func (p *Predicate) MatchString(s string) bool {
	switch p.Op {
	case OpRegex:
		return p.regex.MatchString(s)
	case OpNotRegex:
		return !p.regex.MatchString(s)
	default:
		return holds(p.Op, strings.Compare(s, p.Value.Str))
	}
}

// MatchStrings says of each entry of a dictionary whether it matches, and how
// many do. Its error is that of ctx: a regular expression takes its time.
func (p *Predicate) MatchStrings(ctx context.Context, dict []string) (match []bool, n int, err error) {
	return p.MatchTexts(ctx, len(dict), slices.Values(dict))
}

// MatchTexts is MatchStrings for so many entries that are in no list.
func (p *Predicate) MatchTexts(ctx context.Context, entries int, texts iter.Seq[string]) (match []bool, n int, err error) {
	match = make([]bool, entries)
	all, i := p.asksPresence(), 0
	for s := range texts {
		if p.regex != nil && i%matchesPerCheck == 0 && ctx.Err() != nil {
			return nil, 0, ctx.Err()
		}
		if all || p.MatchString(s) {
			match[i] = true
			n++
		}
		i++
	}
	return match, n, nil
}

// matchesPerCheck is how many texts a regular expression is tried on between two
// looks at the clock.
const matchesPerCheck = 64

// MatchRange says whether an integer, duration, status, kind or boolean from
// low up to high can match.
func (p *Predicate) MatchRange(low, high int64) bool {
	if p.asksPresence() {
		return true
	}
	if p.unsigned && p.impossible() {
		return false
	}
	v := p.Value
	if v.Type == TypeFloat {
		return true
	}
	switch p.Op {
	case OpEq:
		return low <= v.Num && v.Num <= high
	case OpNotEq:
		return low != v.Num || high != v.Num
	case OpGreater:
		return high > v.Num
	case OpGreaterEq:
		return high >= v.Num
	case OpLess:
		return low < v.Num
	case OpLessEq:
		return low <= v.Num
	default:
		return false
	}
}

// raw is the identifier of width bytes that the predicate's text stands for.
// Identifiers that are short have lost their leading zeros.
func (p *Predicate) raw(width int, short bool) (id []byte, ok bool) {
	s := p.Value.Str
	if short {
		if strings.HasPrefix(s, "0") || s == "" || len(s) > 2*width {
			return nil, false
		}
		s = strings.Repeat("0", 2*width-len(s)) + s
	}
	if len(s) != 2*width || s != strings.ToLower(s) {
		return nil, false
	}
	id, err := hex.DecodeString(s)
	return id, err == nil
}
