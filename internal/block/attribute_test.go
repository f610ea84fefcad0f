package block

import (
	"fmt"
	"slices"
	"testing"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"appliance/internal/block/blocktest"
	"appliance/internal/block/parquet"
)

// expectation is what the traces of a row group say of its attributes: by owner
// and key, and then by element.
type expectation struct {
	counts [owners]uint32
	values [owners]map[string]map[uint32][]string
	spans  [owners][]uint32 // of resources, scopes, events and links
	arrays bool             // their values are seen
}

func expect(t *testing.T, b *Block) *expectation {
	t.Helper()
	e := &expectation{arrays: b.meta.Format != FormatVParquet3}
	for o := range owners {
		e.values[o] = map[string]map[uint32][]string{}
	}
	for data, err := range b.Traces(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		traces, err := (&ptrace.ProtoUnmarshaler{}).UnmarshalTraces(data)
		if err != nil {
			t.Fatal(err)
		}
		for _, rs := range traces.ResourceSpans().All() {
			e.add(OfResource, rs.Resource().Attributes())
			for _, ss := range rs.ScopeSpans().All() {
				e.add(OfScope, ss.Scope().Attributes())
				for _, s := range ss.Spans().All() {
					e.add(OfSpan, s.Attributes())
					for _, ev := range s.Events().All() {
						e.add(OfEvent, ev.Attributes())
					}
					for _, l := range s.Links().All() {
						e.add(OfLink, l.Attributes())
					}
				}
			}
		}
	}
	return e
}

func (e *expectation) add(o Owner, m pcommon.Map) {
	element := e.counts[o]
	e.counts[o]++
	e.spans[o] = append(e.spans[o], e.counts[OfSpan])
	for k, v := range m.All() {
		if e.values[o][k] == nil {
			e.values[o][k] = map[uint32][]string{}
		}
		list := parts(v)
		if v.Type() == pcommon.ValueTypeSlice && !e.arrays {
			list = []string{"hidden"}
		}
		e.values[o][k][element] = append(e.values[o][k][element], list...)
	}
}

// parts is a value as queries see it.
func parts(v pcommon.Value) []string {
	switch v.Type() {
	case pcommon.ValueTypeStr, pcommon.ValueTypeBool, pcommon.ValueTypeInt, pcommon.ValueTypeDouble:
		return []string{describe(v)}
	case pcommon.ValueTypeSlice:
		var list []string
		for _, el := range v.Slice().All() {
			if el.Type() != v.Slice().At(0).Type() || len(parts(el)) != 1 || el.Type() == pcommon.ValueTypeSlice || parts(el)[0] == "hidden" {
				return []string{"hidden"}
			}
			list = append(list, describe(el))
		}
		if len(list) > 0 {
			return list
		}
	}
	return []string{"hidden"}
}

// texts is an Attribute by its elements.
func texts(a *Attribute) map[uint32][]string {
	got := map[uint32][]string{}
	for _, p := range a.Parts {
		for i, e := range p.Elements {
			v := pcommon.NewValueEmpty()
			switch p.Type {
			case parquet.ByteArray:
				v.SetStr(string(p.Dict.At(p.IDs[i])))
			case parquet.Double:
				v.SetDouble(p.Doubles[i])
			case parquet.Boolean:
				v.SetBool(p.Bools[i])
			default:
				v.SetInt(p.Ints[i])
			}
			got[e] = append(got[e], describe(v))
		}
	}
	for _, e := range a.Hidden {
		got[e] = append(got[e], "hidden")
	}
	return got
}

func sameValues(got, want map[uint32][]string) error {
	for e, list := range want {
		slices.Sort(list)
		slices.Sort(got[e])
		if !slices.Equal(got[e], list) {
			return fmt.Errorf("element %d has %q, want %q", e, got[e], list)
		}
	}
	if len(got) != len(want) {
		return fmt.Errorf("%d elements, want %d", len(got), len(want))
	}
	return nil
}

// Each attribute of each owner is found with its elements and its values.
func TestAttribute(t *testing.T) {
	for seed := range uint64(3) {
		b, _ := built(t, blocktest.Records(seed, blocktest.Random(seed, 60)), BuilderOptions{PageSpans: 30})
		if b.RowGroups() != 1 {
			t.Fatal("more than one row group")
		}
		want, g := expect(t, b), b.RowGroup(0)
		for o := range owners {
			keys := map[string]bool{}
			if err := g.Keys(t.Context(), o, func(key []byte) bool { keys[string(key)] = true; return true }); err != nil {
				t.Fatal(err)
			}
			for key, values := range want.values[o] {
				if !keys[key] {
					t.Errorf("seed %d: key %q of owner %d is not told", seed, key, o)
				}
				a, err := g.Attribute(t.Context(), o, key, nil)
				if err != nil {
					t.Fatal(err)
				}
				if err := sameValues(texts(a), values); err != nil {
					t.Fatalf("seed %d, owner %d, %q: %v", seed, o, key, err)
				}
			}
			a, err := g.Attribute(t.Context(), o, "no such key", nil)
			if err != nil || len(a.Parts) > 0 || len(a.Hidden) > 0 {
				t.Errorf("a key that nothing has: %+v, %v", a, err)
			}
			checkWanted(t, g, want, o)
		}
	}
}

// checkWanted asks for the attributes of one span at a time: what is told of its
// elements is the same as without.
func checkWanted(t *testing.T, g *RowGroup, want *expectation, o Owner) {
	t.Helper()
	for span := uint32(0); span < want.counts[OfSpan]; span += 61 {
		only := func(from, to uint32) bool { return from <= span && span < to }
		for key, values := range want.values[o] {
			a, err := g.Attribute(t.Context(), o, key, only)
			if err != nil {
				t.Fatal(err)
			}
			got := texts(a)
			for e, list := range values {
				if o == OfSpan && e == span || o > OfSpan && want.spans[o][e] == span+1 {
					slices.Sort(got[e])
					slices.Sort(list)
					if !slices.Equal(got[e], list) {
						t.Fatalf("owner %d, %q, span %d: %q, want %q", o, key, span, got[e], list)
					}
				}
			}
		}
	}
}

// Bounds that the footer tells hold.
func TestBounds(t *testing.T) {
	b := openBlock(t, "testdata/tempo-2.7.2/level1")
	g := b.RowGroup(0)
	low, high, ok := g.Bounds(SpanDuration)
	if !ok || low != 28e6 || high != 50e6 {
		t.Errorf("durations from %d to %d, %v", low, high, ok)
	}
	if _, _, ok := g.Bounds(SpanName); ok {
		t.Error("names have bounds that are numbers")
	}
	if g.Has(EventName) || !g.Has(SpanName) {
		t.Error("statistics of events or names are not read")
	}
}

// blockTexts is what all row groups of a block tell of a key, with elements
// numbered within the block.
func blockTexts(t *testing.T, b *Block, o Owner, key string) map[uint32][]string {
	t.Helper()
	all, base := map[uint32][]string{}, uint32(0)
	for i := range b.RowGroups() {
		g := b.RowGroup(i)
		a, err := g.Attribute(t.Context(), o, key, nil)
		if err != nil {
			t.Fatal(err)
		}
		for e, list := range texts(a) {
			all[base+e] = list
		}
		shape, err := g.Shape(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		elements := map[Owner][]uint32{OfResource: shape.Resources, OfScope: shape.Scopes, OfSpan: shape.Spans}[o]
		if elements == nil {
			if elements, err = g.Inner(t.Context(), o); err != nil {
				t.Fatal(err)
			}
		}
		base += elements[len(elements)-1]
	}
	return all
}

// Dedicated columns hold attributes like others, and vParquet3 has those of
// resources and spans, without arrays.
func TestAttributeOfTempo(t *testing.T) {
	for name, searched := range map[string][]Owner{"vparquet4": {OfResource, OfScope, OfSpan, OfEvent, OfLink}, "vparquet3": {OfResource, OfSpan}} {
		b := openBlock(t, "testdata/peer/"+name)
		want := expect(t, b)
		for _, o := range searched {
			for key, values := range want.values[o] {
				if err := sameValues(blockTexts(t, b, o, key), values); err != nil {
					t.Errorf("%s, owner %d, %q: %v", name, o, key, err)
				}
			}
			if len(want.values[o]) == 0 {
				t.Errorf("%s: owner %d has no attributes", name, o)
			}
		}
	}
}
