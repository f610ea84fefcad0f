package otlpwire

import (
	"bytes"
	"slices"
	"testing"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
	"google.golang.org/protobuf/encoding/protowire"
	"pgregory.net/rapid"
)

// TestRandomRequests encodes random requests with pdata, which must come out as
// pdata decodes them.
func TestRandomRequests(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		body, err := ptraceotlp.NewExportRequestFromTraces(drawTraces(t)).MarshalProto()
		if err != nil {
			t.Fatal(err)
		}
		checkFilter(t, body)
	})
}

// TestShuffledRequests writes the same requests another way: fields in any
// order, unknown ones between them, messages in pieces, values that later ones
// override, tags and lengths longer than they need to be.
func TestShuffledRequests(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		body, err := ptraceotlp.NewExportRequestFromTraces(drawTraces(t)).MarshalProto()
		if err != nil {
			t.Fatal(err)
		}
		shuffled := shuffle(t, refRequest, body)
		if got, want := decoded(t, shuffled), decoded(t, body); !slices.Equal(got, want) {
			t.Fatalf("shuffling changed the meaning\ngot  %x\nwant %x", got, want)
		}
		checkFilter(t, shuffled)
	})
}

func decoded(t *rapid.T, body []byte) []string {
	req, err := pdataDecodes(forPdata(body))
	if err != nil {
		t.Fatalf("pdata: %v", err)
	}
	return pdataSpans(t, req, func(ptrace.Span) bool { return true })
}

func drawTraces(t *rapid.T) ptrace.Traces {
	td := ptrace.NewTraces()
	for range rapid.IntRange(0, 3).Draw(t, "resource spans") {
		rs := td.ResourceSpans().AppendEmpty()
		drawMap(t, rs.Resource().Attributes(), 2)
		if rapid.Bool().Draw(t, "named") {
			rs.Resource().Attributes().PutStr("service.name", drawText(t))
		}
		rs.SetSchemaUrl(drawText(t))
		for range rapid.IntRange(0, 3).Draw(t, "scope spans") {
			ss := rs.ScopeSpans().AppendEmpty()
			ss.Scope().SetName(drawText(t))
			ss.Scope().SetVersion(drawText(t))
			drawMap(t, ss.Scope().Attributes(), 1)
			ss.SetSchemaUrl(drawText(t))
			for range rapid.IntRange(0, 5).Draw(t, "spans") {
				drawSpan(t, ss.Spans().AppendEmpty())
			}
		}
	}
	return td
}

func drawSpan(t *rapid.T, sp ptrace.Span) {
	var trace pcommon.TraceID
	copy(trace[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "trace id"))
	sp.SetTraceID(trace)
	sp.SetSpanID(drawSpanID(t))
	sp.SetParentSpanID(drawSpanID(t))
	sp.TraceState().FromRaw(drawText(t))
	sp.SetName(drawText(t))
	sp.SetKind(ptrace.SpanKind(rapid.Int32().Draw(t, "kind")))
	sp.SetFlags(rapid.Uint32().Draw(t, "flags"))
	sp.SetStartTimestamp(pcommon.Timestamp(rapid.Uint64().Draw(t, "start")))
	sp.SetEndTimestamp(pcommon.Timestamp(rapid.Uint64().Draw(t, "end")))
	sp.SetDroppedAttributesCount(rapid.Uint32().Draw(t, "dropped"))
	sp.Status().SetCode(ptrace.StatusCode(rapid.Int32().Draw(t, "code")))
	sp.Status().SetMessage(drawText(t))
	drawMap(t, sp.Attributes(), 4)
	if rapid.Bool().Draw(t, "prioritised") {
		drawValue(t, sp.Attributes().PutEmpty("sampling.priority"), 0)
	}
	for range rapid.IntRange(0, 2).Draw(t, "events") {
		e := sp.Events().AppendEmpty()
		e.SetName(drawText(t))
		e.SetTimestamp(pcommon.Timestamp(rapid.Uint64().Draw(t, "time")))
		drawMap(t, e.Attributes(), 1)
	}
	for range rapid.IntRange(0, 2).Draw(t, "links") {
		l := sp.Links().AppendEmpty()
		l.SetTraceID(trace)
		l.SetSpanID(drawSpanID(t))
		l.TraceState().FromRaw(drawText(t))
		drawMap(t, l.Attributes(), 1)
	}
}

func drawSpanID(t *rapid.T) (id pcommon.SpanID) {
	copy(id[:], rapid.SliceOfN(rapid.Byte(), 0, 8).Draw(t, "span id"))
	return id
}

// drawText is short or beyond 127 bytes, mostly valid.
func drawText(t *rapid.T) string {
	return rapid.OneOf(
		rapid.StringN(0, 20, -1), rapid.StringN(0, 20, -1), rapid.StringN(100, 200, -1),
		rapid.SampledFrom([]string{"", "ot=th:8", "0.5", "1", "-1e2", "NaN", "a\xff", "x"}),
	).Draw(t, "text")
}

func drawMap(t *rapid.T, m pcommon.Map, most int) {
	for range rapid.IntRange(0, most).Draw(t, "attributes") {
		drawValue(t, m.PutEmpty(drawText(t)), 0)
	}
}

func drawValue(t *rapid.T, v pcommon.Value, depth int) {
	switch kind := rapid.IntRange(0, 8).Draw(t, "kind"); {
	case kind == 0:
		v.SetBool(rapid.Bool().Draw(t, "bool"))
	case kind == 1:
		v.SetInt(rapid.Int64().Draw(t, "int"))
	case kind == 2:
		v.SetDouble(rapid.Float64().Draw(t, "double"))
	case kind == 3:
		v.SetEmptyBytes().FromRaw(rapid.SliceOf(rapid.Byte()).Draw(t, "bytes"))
	case kind == 4 && depth < 3:
		array := v.SetEmptySlice()
		for range rapid.IntRange(0, 3).Draw(t, "elements") {
			drawValue(t, array.AppendEmpty(), depth+1)
		}
	case kind == 5 && depth < 3:
		list := v.SetEmptyMap()
		for range rapid.IntRange(0, 3).Draw(t, "elements") {
			drawValue(t, list.PutEmpty(drawText(t)), depth+1)
		}
	case kind == 6: // stays empty
	default:
		v.SetStr(drawText(t))
	}
}

// overridable are the fields whose earlier occurrences do not count.
var overridable = map[*refMessage]map[protowire.Number]bool{
	refSpan:     numbers(1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16),
	refScope:    numbers(1, 2, 4),
	refStatus:   numbers(2, 3),
	refKeyValue: numbers(1),
	refAnyValue: numbers(1, 2, 3, 4, 5, 6, 7),
}

// mergeable are the messages that may come in pieces.
var mergeable = map[*refMessage]map[protowire.Number]bool{
	refResourceSpans: numbers(1),
	refScopeSpans:    numbers(1),
	refSpan:          numbers(15),
	refKeyValue:      numbers(2),
}

// shuffle rewrites a message so that it means the same.
func shuffle(t *rapid.T, m *refMessage, b []byte) []byte {
	queues := map[protowire.Number][][]byte{} // fields of one number keep their order
	var order []protowire.Number
	put := func(n protowire.Number, field []byte) {
		queues[n] = append(queues[n], field)
		order = append(order, n)
	}
	deprecate := m == refResourceSpans && rapid.IntRange(0, 9).Draw(t, "deprecate") == 0
	for _, f := range split(b) {
		number := f.number
		if f.kind == protowire.BytesType {
			content := f.content
			if sub := m.messages[number]; sub != nil {
				content = shuffle(t, sub, content)
			}
			if deprecate && number == 2 {
				number = 1000
			}
			if mergeable[m][number] && rapid.Bool().Draw(t, "in pieces") {
				fields := split(content)
				cut := rapid.IntRange(0, len(fields)).Draw(t, "cut")
				first := 0
				for _, f := range fields[:cut] {
					first += len(f.raw)
				}
				put(number, drawField(t, number, content[:first]))
				content = content[first:]
			}
			f.raw = drawField(t, number, content)
		}
		if overridable[m][number] && m != refAnyValue && rapid.IntRange(0, 3).Draw(t, "override") == 0 {
			put(number, overridden(f))
		}
		put(number, f.raw)
	}
	for range rapid.IntRange(0, 2).Draw(t, "unknown") {
		n := protowire.Number(rapid.IntRange(2000, 2005).Draw(t, "number"))
		put(n, rapid.SampledFrom([][]byte{varint(n, 300), text(n, "\xff"), fixed32(n, 1), fixed64(n, 1), group(n, varint(1, 1), group(2))}).Draw(t, "field"))
	}
	var out []byte
	for _, n := range rapid.Permutation(order).Draw(t, "order") {
		out = append(out, queues[n][0]...)
		queues[n] = queues[n][1:]
	}
	return out
}

// overridden is another value for a field, to stand before it.
func overridden(f refField) []byte {
	switch f.kind {
	case protowire.VarintType:
		return varint(f.number, 77)
	case protowire.Fixed64Type:
		return fixed64(f.number, 77)
	case protowire.Fixed32Type:
		return fixed32(f.number, 77)
	}
	return message(f.number, bytes.Repeat([]byte{'o'}, len(f.content)))
}

// drawField is a length-delimited field whose tag and length may be padded.
func drawField(t *rapid.T, number protowire.Number, content []byte) []byte {
	if rapid.IntRange(0, 4).Draw(t, "padded") > 0 {
		return message(number, content)
	}
	b := padVarint(uint64(number)<<3 | uint64(protowire.BytesType))
	return append(append(b, padVarint(uint64(len(content)))...), content...)
}

// padVarint is a varint with a byte more than it needs.
func padVarint(v uint64) []byte {
	b := protowire.AppendVarint(nil, v)
	b[len(b)-1] |= 0x80
	return append(b, 0)
}
