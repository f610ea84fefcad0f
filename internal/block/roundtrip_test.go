package block

import (
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"testing"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"appliance/internal/block/blocktest"
)

// built makes a block of records, and opens it.
func built(t testing.TB, records [][]byte, opts BuilderOptions) (*Block, Stats) {
	t.Helper()
	dir, _, stats := build(t, records, opts)
	return openBlock(t, dir), stats
}

// describe is a value in full.
func describe(v pcommon.Value) string {
	switch v.Type() {
	case pcommon.ValueTypeDouble:
		if math.IsNaN(v.Double()) {
			return "double NaN"
		}
		return fmt.Sprintf("double %x", math.Float64bits(v.Double()))
	case pcommon.ValueTypeSlice:
		var parts []string
		for _, e := range v.Slice().All() {
			parts = append(parts, describe(e))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case pcommon.ValueTypeMap:
		var parts []string
		for k, e := range v.Map().All() {
			parts = append(parts, fmt.Sprintf("%q: %s", k, describe(e)))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	}
	return fmt.Sprintf("%s %q", v.Type(), v.AsString())
}

// attributesText is what a block holds of attributes: in no order, and of those
// with columns of their own the last one.
func attributesText(m pcommon.Map, alone map[string]pcommon.ValueType) string {
	last := map[string]string{}
	var list []string
	for k, v := range m.All() {
		text := fmt.Sprintf("%q = %s", k, describe(v))
		if kind, ok := alone[k]; ok && kind == v.Type() {
			last[k] = text
			if k == serviceName && v.Str() == "" {
				delete(last, k)
			}
			continue
		}
		list = append(list, text)
	}
	for _, text := range last {
		list = append(list, text)
	}
	slices.Sort(list)
	return strings.Join(list, "; ")
}

func resourceAlone() map[string]pcommon.ValueType {
	alone := map[string]pcommon.ValueType{serviceName: pcommon.ValueTypeStr}
	for _, s := range resourceSpecials {
		alone[s.key] = pcommon.ValueTypeStr
	}
	return alone
}

func spanAlone() map[string]pcommon.ValueType {
	return map[string]pcommon.ValueType{
		"http.method": pcommon.ValueTypeStr, "http.url": pcommon.ValueTypeStr, "http.status_code": pcommon.ValueTypeInt,
	}
}

// spanTexts adds each span of a request with its resource and scope, in full.
func spanTexts(t testing.TB, list []string, data []byte) []string {
	t.Helper()
	traces, err := (&ptrace.ProtoUnmarshaler{}).UnmarshalTraces(data)
	if err != nil {
		t.Fatal(err)
	}
	resource, span := resourceAlone(), spanAlone()
	for _, rs := range traces.ResourceSpans().All() {
		r := fmt.Sprintf("resource %d %s", rs.Resource().DroppedAttributesCount(), attributesText(rs.Resource().Attributes(), resource))
		for _, ss := range rs.ScopeSpans().All() {
			sc := ss.Scope()
			s := fmt.Sprintf("scope %q %q %d %s", sc.Name(), sc.Version(), sc.DroppedAttributesCount(), attributesText(sc.Attributes(), nil))
			for _, sp := range ss.Spans().All() {
				list = append(list, spanText(sp, span)+"\n\t"+s+"\n\t"+r)
			}
		}
	}
	return list
}

func spanText(s ptrace.Span, alone map[string]pcommon.ValueType) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s parent %s state %q name %q %d from %d to %d, %d %q, dropped %d %d %d, %s", s.TraceID(), s.SpanID(), s.ParentSpanID(),
		s.TraceState().AsRaw(), s.Name(), s.Kind(), s.StartTimestamp(), s.EndTimestamp(), s.Status().Code(), s.Status().Message(),
		s.DroppedAttributesCount(), s.DroppedEventsCount(), s.DroppedLinksCount(), attributesText(s.Attributes(), alone))
	for _, e := range s.Events().All() {
		fmt.Fprintf(&b, "\n\tevent %d %q %d %s", e.Timestamp(), e.Name(), e.DroppedAttributesCount(), attributesText(e.Attributes(), nil))
	}
	for _, l := range s.Links().All() {
		fmt.Fprintf(&b, "\n\tlink %s %s %q %d %s", l.TraceID(), l.SpanID(), l.TraceState().AsRaw(), l.DroppedAttributesCount(), attributesText(l.Attributes(), nil))
	}
	return b.String()
}

func sameTexts(t *testing.T, got, want []string) {
	t.Helper()
	slices.Sort(got)
	slices.Sort(want)
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] {
			t.Fatalf("span %d:\n%s\nwant\n%s", i, got[i], want[i])
		}
	}
	if len(got) != len(want) {
		t.Fatalf("%d spans, want %d", len(got), len(want))
	}
}

// Spans of everything that OTLP can say come back equal, as a whole and trace by
// trace, and so does their digest.
func TestRoundTrip(t *testing.T) {
	for seed := range uint64(6) {
		records := blocktest.Records(seed, blocktest.Random(seed, 40))
		opts := BuilderOptions{KeepCopies: true, PageSpans: 40, DigestKey: seed}
		if seed%3 == 0 {
			opts.RowGroupBytes = 64 << 10
		}
		b, stats := built(t, records, opts)
		var want, got, single []string
		for _, r := range records {
			want = spanTexts(t, want, r)
		}
		for data, err := range b.Traces(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			got = spanTexts(t, got, data)
		}
		sameTexts(t, got, want)
		if digest, err := b.Digest(t.Context(), seed); err != nil || digest != stats.Digest {
			t.Errorf("seed %d: digest %+v, want %+v, %v", seed, digest, stats.Digest, err)
		}
		if other, err := b.Digest(t.Context(), seed+1); err != nil || other.Sum == stats.Digest.Sum {
			t.Errorf("seed %d: digests do not depend on their key", seed)
		}
		for id := range traceIDs(t, b) {
			if may, err := NewBlooms(b.src, b.meta.BloomShards, nil).MayHave(t.Context(), id); !may || err != nil {
				t.Fatalf("trace %x is not in the bloom: %v", id, err)
			}
			data, err := b.Trace(t.Context(), id, nil)
			if err != nil {
				t.Fatal(err)
			}
			single = spanTexts(t, single, data)
		}
		sameTexts(t, single, want)
	}
}

// traceIDs are the identifiers of a block.
func traceIDs(t testing.TB, b *Block) map[[16]byte]bool {
	t.Helper()
	ids := map[[16]byte]bool{}
	for g := range b.file.Groups {
		r := newRowReader(b.layout)
		r.start(t.Context(), b, g)
		c := &r.cursors[r.role(TraceID)]
		for {
			if _, err := c.take(0); errors.Is(err, ErrDamaged) {
				if err := c.load(); errors.Is(err, io.EOF) {
					break
				}
			} else if err != nil {
				t.Fatal(err)
			}
			ids[[16]byte(c.bytes())] = true
		}
	}
	return ids
}
