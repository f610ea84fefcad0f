package tempo

import (
	"bytes"
	"cmp"
	"reflect"
	"slices"
	"strings"

	"appliance/internal/traceql"
)

func newestFirst(a, b *traceql.FoundTrace) int {
	return cmp.Or(cmp.Compare(b.Start, a.Start), bytes.Compare(a.ID[:], b.ID[:]))
}

// mergeFound makes one of what two sources found of a trace. Either may be nil.
// The two may have the same spans: numbers are the larger ones of both.
func mergeFound(a, b *traceql.FoundTrace, spansPerSet int) *traceql.FoundTrace {
	if a == nil || b == nil {
		one := *cmp.Or(a, b)
		return &one
	}
	start := min(a.Start, b.Start)
	end := max(int64(a.Start-start)+a.Duration, int64(b.Start-start)+b.Duration)
	return &traceql.FoundTrace{
		ID:          a.ID,
		RootService: cmp.Or(a.RootService, b.RootService),
		RootName:    cmp.Or(a.RootName, b.RootName),
		Start:       start,
		Duration:    end,
		Services:    mergeServices(a.Services, b.Services),
		SpanSets:    mergeSpanSets(a.SpanSets, b.SpanSets, spansPerSet),
	}
}

func mergeServices(a, b []traceql.Service) []traceql.Service {
	out := slices.Clone(a)
	for _, s := range b {
		i := slices.IndexFunc(out, func(o traceql.Service) bool { return o.Name == s.Name })
		if i < 0 {
			out = append(out, s)
			continue
		}
		out[i].Spans = max(out[i].Spans, s.Spans)
		out[i].Errors = max(out[i].Errors, s.Errors)
	}
	slices.SortFunc(out, byName)
	return out
}

func byName(a, b traceql.Service) int { return strings.Compare(a.Name, b.Name) }

// mergeSpanSets joins the sets of the same group.
func mergeSpanSets(a, b []traceql.FoundSpanSet, spansPerSet int) []traceql.FoundSpanSet {
	out := slices.Clone(a)
	for _, set := range b {
		same := group(set)
		i := slices.IndexFunc(out, func(o traceql.FoundSpanSet) bool { return group(o) == same })
		if i < 0 {
			out = append(out, set)
			continue
		}
		out[i] = mergeSpanSet(out[i], set, spansPerSet)
	}
	return out
}

// mergeSpanSet joins two sets. Their aggregates are those of the larger one.
func mergeSpanSet(a, b traceql.FoundSpanSet, spansPerSet int) traceql.FoundSpanSet {
	if b.Matched > a.Matched {
		a, b = b, a
	}
	out := a
	out.Spans = slices.Clone(a.Spans)
	for _, s := range b.Spans {
		known := slices.ContainsFunc(out.Spans, func(o traceql.FoundSpan) bool {
			return o.ID == s.ID && o.Start == s.Start && o.Duration == s.Duration
		})
		if !known {
			out.Spans = append(out.Spans, s)
		}
	}
	out.Matched = max(out.Matched, len(out.Spans))
	if spansPerSet > 0 {
		out.Spans = out.Spans[:min(len(out.Spans), spansPerSet)]
	}
	return out
}

// group is what by() says of a set. Sets of a query without by() are of one
// group.
func group(s traceql.FoundSpanSet) string {
	var b strings.Builder
	for _, a := range s.Attributes {
		if strings.HasPrefix(a.Name, "by(") {
			b.WriteString(a.Name)
			for _, v := range a.Value {
				b.WriteByte(0)
				b.WriteString(v.String())
			}
		}
	}
	return b.String()
}

func equalFound(a, b *traceql.FoundTrace) bool { return reflect.DeepEqual(a, b) }
