package querier

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"appliance/internal/block"
	"appliance/internal/traceql"
)

// peerBlocks are blocks that a real Tempo wrote.
var peerBlocks = []string{"tempo-2.7.2/level0", "tempo-2.7.2/level1", "peer/vparquet3", "peer/vparquet4"}

// TestBlocksOfTempoEqualMemory asks blocks of a real Tempo, and their spans in
// memory.
func TestBlocksOfTempoEqualMemory(t *testing.T) {
	for _, name := range peerBlocks {
		t.Run(name, func(t *testing.T) {
			src := block.OpenDir("../block/testdata/" + name)
			defer src.Close()
			b, err := block.Open(t.Context(), src, block.Options{})
			if err != nil {
				t.Fatal(err)
			}
			builder := traceql.NewMemoryBuilder() // keeps copies within a trace of the block
			for data, err := range b.Traces(t.Context()) {
				if err != nil {
					t.Fatal(err)
				}
				if err := builder.Append(bytes.Clone(data)); err != nil {
					t.Fatal(err)
				}
			}
			memory, groups := builder.Batch(), rowGroups(t, b)
			fields := fieldsOf(t, memory)
			r := rand.New(rand.NewPCG(1, 1))
			found := 0
			for range 200 {
				text := fieldQuery(r, memory, fields, b.Meta().Format == block.FormatVParquet3)
				q, err := traceql.Parse(text)
				if err != nil {
					continue // some values cannot be written
				}
				want, got := matchedSpans(searchBatches(t, q, memory)), matchedSpans(searchBatches(t, q, groups...))
				if !slices.Equal(want, got) {
					t.Fatalf("%s\nwant %v\ngot  %v", text, want, got)
				}
				found += min(len(want), 1)
			}
			if found < 50 {
				t.Errorf("only %d queries found anything", found)
			}
		})
	}
}

// matchedSpans leaves out what an answer says of whole traces. The blocks have
// spans that start at 0, traces with several roots, and bounds of spans that a
// merge has removed, of which a Tempo keeps something else than there is.
func matchedSpans(found []string) (out []string) {
	for _, line := range found {
		_, sets, _ := strings.Cut(line, "] ")
		out = append(out, line[:32]+" "+sets)
	}
	return out
}

func fieldsOf(t *testing.T, b traceql.Batch) (fields []traceql.Field) {
	t.Helper()
	if err := b.Keys(t.Context(), func(f traceql.Field) bool { fields = append(fields, f); return true }); err != nil {
		t.Fatal(err)
	}
	for _, i := range []traceql.Intrinsic{
		traceql.IntrinsicName, traceql.IntrinsicDuration, traceql.IntrinsicStatus, traceql.IntrinsicStatusMessage, traceql.IntrinsicKind,
		traceql.IntrinsicSpanID, traceql.IntrinsicParentID, traceql.IntrinsicChildCount, traceql.IntrinsicTraceID,
		traceql.IntrinsicEventName, traceql.IntrinsicEventTimeSinceStart, traceql.IntrinsicLinkSpanID,
		traceql.IntrinsicInstrumentationName, traceql.IntrinsicInstrumentationVersion,
	} {
		fields = append(fields, traceql.Field{Intrinsic: i})
	}
	slices.SortFunc(fields, func(a, b traceql.Field) int { return strings.Compare(a.String(), b.String()) })
	return fields
}

// fieldQuery compares fields with values that they have.
func fieldQuery(r *rand.Rand, memory traceql.Batch, fields []traceql.Field, old bool) string {
	comparison := func() string {
		for {
			f := fields[r.IntN(len(fields))]
			if _, own := traceql.WellKnown(f); old && (f.Level() == traceql.LevelLink || f.Intrinsic == traceql.IntrinsicNone && !own) {
				continue // it has no columns for links, arrays, and others' attributes
			}
			v, err := memory.Column(context.Background(), f, nil)
			if err != nil || len(v.Parts) == 0 || v.Parts[0].Len() == 0 {
				continue
			}
			p := &v.Parts[r.IntN(len(v.Parts))]
			value := p.Value(r.IntN(p.Len()))
			text := value.String()
			if value.Type == traceql.TypeFloat && math.IsNaN(value.Float()) {
				continue
			}
			if value.Type == traceql.TypeString {
				text = fmt.Sprintf("%q", value.Str)
			}
			op := []string{" = ", " != "}[r.IntN(2)]
			if value.Type == traceql.TypeInt || value.Type == traceql.TypeDuration {
				op = []string{" = ", " >= ", " < "}[r.IntN(3)]
			}
			if r.IntN(6) == 0 {
				return f.String() + " != nil"
			}
			return f.String() + op + text
		}
	}
	switch r.IntN(4) {
	case 0:
		return "{ " + comparison() + " }"
	case 1:
		return "{ " + comparison() + " && " + comparison() + " }"
	case 2:
		return "{ " + comparison() + " || " + comparison() + " }"
	default:
		return "{ " + comparison() + " } >> { " + comparison() + " }"
	}
}
