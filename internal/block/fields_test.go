package block

import (
	"math/rand/v2"
	"slices"
	"testing"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"appliance/internal/block/blocktest"
)

// without takes away what fields leaves out.
func without(tr ptrace.Traces, f *Fields) {
	keep := func(m pcommon.Map, o Owner) {
		m.RemoveIf(func(key string, _ pcommon.Value) bool {
			return !slices.ContainsFunc(f.Keys[o], func(k []byte) bool { return string(k) == key })
		})
	}
	for _, rs := range tr.ResourceSpans().All() {
		for _, ss := range rs.ScopeSpans().All() {
			for _, s := range ss.Spans().All() {
				keep(s.Attributes(), OfSpan)
				s.Events().RemoveIf(func(ptrace.SpanEvent) bool { return !f.Events })
				s.Links().RemoveIf(func(ptrace.SpanLink) bool { return !f.Links })
				for _, e := range s.Events().All() {
					keep(e.Attributes(), OfEvent)
				}
				for _, l := range s.Links().All() {
					keep(l.Attributes(), OfLink)
				}
				if !f.StatusMessage {
					s.Status().SetMessage("")
				}
				if !f.TraceState {
					s.TraceState().FromRaw("")
				}
			}
		}
	}
}

// keysOf are some of the keys that a block has, and one that it has not.
func keysOf(t *testing.T, r *rand.Rand, b *Block, o Owner) [][]byte {
	out := [][]byte{[]byte("is not there")}
	err := b.RowGroup(0).Keys(t.Context(), o, func(key []byte) bool {
		if r.IntN(3) == 0 {
			out = append(out, slices.Clone(key))
		}
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	return out[r.IntN(2):]
}

// A trace without some fields is the trace without them.
func TestFields(t *testing.T) {
	random, _ := built(t, blocktest.Records(5, blocktest.Random(5, 60)), BuilderOptions{PageSpans: 30})
	for name, b := range map[string]*Block{
		"random": random, "level0": openBlock(t, "testdata/tempo-2.7.2/level0"), "level1": openBlock(t, "testdata/tempo-2.7.2/level1"),
	} {
		r := rand.New(rand.NewPCG(3, 4))
		left := 0
		for id, err := range b.IDs(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			f := &Fields{Events: r.IntN(2) == 0, Links: r.IntN(2) == 0, StatusMessage: r.IntN(2) == 0, TraceState: r.IntN(2) == 0}
			for _, o := range []Owner{OfSpan, OfEvent, OfLink} {
				f.Keys[o] = keysOf(t, r, b, o)
			}
			whole, err := b.Trace(t.Context(), id, nil)
			if err != nil {
				t.Fatal(err)
			}
			want, err := (&ptrace.ProtoUnmarshaler{}).UnmarshalTraces(whole)
			if err != nil {
				t.Fatal(err)
			}
			without(want, f)
			read := map[string][]byte{}
			if read["one"], err = b.TraceFields(t.Context(), id, f, 2, nil); err != nil {
				t.Fatalf("%s: %+v: %v", name, f, err)
			}
			for data, err := range b.Select(t.Context(), id[:], f) {
				if err != nil {
					t.Fatalf("%s: %+v: %v", name, f, err)
				}
				read["many"] = slices.Clone(data)
			}
			for how, data := range read {
				got, err := (&ptrace.ProtoUnmarshaler{}).UnmarshalTraces(data)
				if err != nil {
					t.Fatal(err)
				}
				if a, b := asText(t, got), asText(t, want); a != b {
					t.Fatalf("%s, %s: trace %x with %+v\ngot  %s\nwant %s", name, how, id, f, a, b)
				}
				if len(data) < len(whole) {
					left++
				}
			}
		}
		if left == 0 {
			t.Errorf("%s: nothing was left out of any trace", name)
		}
	}
}

func asText(t *testing.T, tr ptrace.Traces) string {
	text, err := (&ptrace.JSONMarshaler{}).MarshalTraces(tr)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
