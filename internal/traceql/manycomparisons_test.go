package traceql

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
)

// manyComparisons are as many as a query may have, of both types of numbers.
func manyComparisons() string {
	var b strings.Builder
	b.WriteString("{ .a = 1")
	for i := 4; i+4 < MaxTokens-2; i += 8 {
		fmt.Fprintf(&b, " || .a = %d || .a = %d.5", i, i)
	}
	return b.String() + " }"
}

func TestQueriesHaveABound(t *testing.T) {
	text := manyComparisons()
	if _, err := Parse(text); err != nil {
		t.Errorf("%d comparisons: %v", strings.Count(text, "="), err)
	}
	text = strings.Replace(text, "{", "{ .b = 2 || .b = 2.5 || .b = 3 || ", 1)
	if _, err := Parse(text); err == nil || !strings.Contains(err.Error(), "use one with =~") {
		t.Errorf("%d comparisons: %v", strings.Count(text, "="), err)
	}
	if q := ParseTagFilter(strings.ReplaceAll(strings.ReplaceAll(text, "||", "&&"), " .", " span.")); q != nil {
		t.Errorf("%d comparisons narrow down tags", strings.Count(text, "="))
	}
}

// TestManyComparisonsTakeLittle compiles a query whose comparisons find values for
// each other: a list of its own for each would be their square.
func TestManyComparisonsTakeLittle(t *testing.T) {
	q := mustParse(t, manyComparisons())
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	s, err := NewSearch(q, SearchOptions{})
	runtime.ReadMemStats(&after)
	if err != nil {
		t.Fatal(err)
	}
	if n := after.TotalAlloc - before.TotalAlloc; n > 10<<20 {
		t.Errorf("compiling %d conditions takes %d bytes", len(s.plan.conditions), n)
	}
	if len(s.plan.asked) != 1 {
		t.Errorf("%d conditions of one attribute are asked", len(s.plan.asked))
	}
}

// TestScanEndsWithItsContext has a column that is already read.
func TestScanEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	v := &Vector{Parts: []Part{{Type: TypeInt, Ints: make([]int64, 100)}}}
	p := &Predicate{Op: OpEq, Value: IntValue(1)}
	if err := p.scan(ctx, v, NewBitmap(100)); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want it cancelled", err)
	}
}

// TestNumbersFound compares it with the comparisons that it stands for.
func TestNumbersFound(t *testing.T) {
	numbers := []Value{IntValue(-1), IntValue(0), IntValue(2), FloatValue(-0.5), FloatValue(math.Copysign(0, -1)),
		FloatValue(0), FloatValue(2), FloatValue(math.Inf(1)), FloatValue(math.NaN()), DurationValue(0), DurationValue(2)}
	ops := []Op{OpEq, OpNotEq, OpLess, OpLessEq, OpGreater, OpGreaterEq}
	r := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		var all []*Predicate
		found := &numbersFound{equal: map[Value]bool{}}
		for range r.IntN(5) {
			p := &Predicate{Op: ops[r.IntN(len(ops))], Value: numbers[r.IntN(len(numbers))]}
			if r.IntN(50) == 0 {
				p = presence()
			}
			all = append(all, p)
			found.add(p)
		}
		for _, v := range numbers {
			want := false
			for _, p := range all {
				want = want || p.Match(v)
			}
			if got := found.has(v); got != want {
				t.Fatalf("%v %v: %v, want %v of %v", v.Type, v, got, want, texts(all))
			}
		}
	}
}

func texts(all []*Predicate) (out []string) {
	for _, p := range all {
		out = append(out, fmt.Sprintf("%v %v %v", p.Op, p.Value.Type, p.Value))
	}
	return out
}
