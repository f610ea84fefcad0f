package content

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	common "go.opentelemetry.io/proto/otlp/common/v1"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
)

// Set is spans by trace.
type Set struct {
	traces map[[16]byte][]string // spans with resource and scope, encoded
	spans  int
}

// NewSet makes an empty set.
func NewSet() *Set { return &Set{traces: map[[16]byte][]string{}} }

// Spans is their number, duplicates included.
func (s *Set) Spans() int { return s.spans }

// Traces are the identifiers of all traces, sorted.
func (s *Set) Traces() [][16]byte {
	return slices.SortedFunc(maps.Keys(s.traces), func(a, b [16]byte) int {
		return bytes.Compare(a[:], b[:])
	})
}

// Add adds spans and takes data apart.
func (s *Set) Add(data *trace.TracesData) error {
	for _, rs := range data.GetResourceSpans() {
		sortAttributes(rs.GetResource().GetAttributes())
		for _, ss := range rs.ScopeSpans {
			sortAttributes(ss.GetScope().GetAttributes())
			for _, span := range ss.Spans {
				if err := s.add(rs, ss, span); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (s *Set) add(rs *trace.ResourceSpans, ss *trace.ScopeSpans, span *trace.Span) error {
	if len(span.TraceId) > 16 {
		return fmt.Errorf("span %x has a trace id of %d bytes", span.SpanId, len(span.TraceId))
	}
	var id [16]byte
	copy(id[16-len(span.TraceId):], span.TraceId)
	span.TraceId = id[:] // a short one is padded by whoever stores it
	sortAttributes(span.Attributes)
	for _, e := range span.Events {
		sortAttributes(e.Attributes)
	}
	for _, l := range span.Links {
		sortAttributes(l.Attributes)
	}
	if proto.Size(span.Status) == 0 { // an empty message says what none says
		span.Status = nil
	}
	alone := &trace.ResourceSpans{
		Resource: rs.Resource, SchemaUrl: rs.SchemaUrl,
		ScopeSpans: []*trace.ScopeSpans{{
			Scope: ss.Scope, SchemaUrl: ss.SchemaUrl, Spans: []*trace.Span{span},
		}},
	}
	text, err := encoding.Marshal(alone)
	if err != nil {
		return fmt.Errorf("encode span %x of trace %x: %w", span.SpanId, id, err)
	}
	s.traces[id] = append(s.traces[id], string(text))
	s.spans++
	return nil
}

var encoding = proto.MarshalOptions{Deterministic: true}

func sortAttributes(attributes []*common.KeyValue) {
	if len(attributes) < 2 {
		return
	}
	slices.SortStableFunc(attributes, func(a, b *common.KeyValue) int {
		return cmp.Or(cmp.Compare(a.Key, b.Key), cmp.Compare(encoded(a), encoded(b)))
	})
}

func encoded(kv *common.KeyValue) string {
	text, _ := encoding.Marshal(kv) // compared with others only
	return string(text)
}

// Diff tells the differences, of each trace the first, at most so many traces.
// Empty: the sets are equal.
func Diff(want, got *Set, most int) (differences []string) {
	ids := want.Traces()
	for _, id := range got.Traces() {
		if _, ok := want.traces[id]; !ok {
			ids = append(ids, id)
		}
	}
	for _, id := range ids {
		missing, extra := subtract(want.traces[id], got.traces[id])
		if len(missing)+len(extra) == 0 {
			continue
		}
		differences = append(differences, fmt.Sprintf(
			"trace %x: %d spans are missing, %d are too many\n%s",
			id, len(missing), len(extra), example(missing, extra),
		))
		if len(differences) == most {
			break
		}
	}
	return differences
}

// subtract takes two lists of spans apart: what only one of them has.
func subtract(want, got []string) (missing, extra []string) {
	want, got = slices.Sorted(slices.Values(want)), slices.Sorted(slices.Values(got))
	for len(want) > 0 && len(got) > 0 {
		switch cmp.Compare(want[0], got[0]) {
		case 0:
			want, got = want[1:], got[1:]
		case -1:
			missing, want = append(missing, want[0]), want[1:]
		default:
			extra, got = append(extra, got[0]), got[1:]
		}
	}
	return append(missing, want...), append(extra, got...)
}

// example shows a missing span beside the one with its name and id that came in
// its place, the lines that differ alone.
func example(missing, extra []string) string {
	if len(missing) == 0 {
		return "too many: " + lines(extra[0])
	}
	want, span := lines(missing[0]), spanOf(missing[0])
	for _, e := range extra {
		if other := spanOf(e); other.GetName() == span.GetName() &&
			bytes.Equal(other.GetSpanId(), span.GetSpanId()) {
			return lineDiff(want, lines(e))
		}
	}
	return "missing: " + want
}

// spanOf is the span of an encoded one with its resource and scope.
func spanOf(text string) *trace.Span {
	var rs trace.ResourceSpans
	if proto.Unmarshal([]byte(text), &rs) != nil {
		return nil // it was encoded here, so that it cannot fail
	}
	return rs.ScopeSpans[0].Spans[0]
}

func lines(text string) string {
	var rs trace.ResourceSpans
	if err := proto.Unmarshal([]byte(text), &rs); err != nil {
		return err.Error()
	}
	return prototext.MarshalOptions{Multiline: true, Indent: "  "}.Format(&rs)
}

// lineDiff shows the lines that only one of two texts has.
func lineDiff(want, got string) string {
	count := map[string]int{}
	for line := range strings.Lines(got) {
		count[line]++
	}
	var b strings.Builder
	name := ""
	for line := range strings.Lines(want) {
		if strings.Contains(line, "name:") || strings.Contains(line, "key:") {
			name = line
		}
		if count[line]--; count[line] < 0 {
			fmt.Fprintf(&b, "- %s", line)
			if !strings.Contains(line, "key:") && name != "" {
				fmt.Fprintf(&b, "      (below %s)\n", strings.TrimSpace(name))
			}
		}
	}
	for line, n := range count {
		if n > 0 {
			fmt.Fprintf(&b, "+ %s", line)
		}
	}
	return b.String()
}
