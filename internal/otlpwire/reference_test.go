package otlpwire

import (
	"bytes"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
)

// The reference: the same rules written a second time, on protobuf's own decoder,
// without regard to time and memory. It is only asked about requests that are
// well-formed.

// refMessage names the fields of a message that matter to the validity of spans.
type refMessage struct {
	text     map[protowire.Number]bool
	ids      map[protowire.Number]int
	messages map[protowire.Number]*refMessage
}

var (
	refKeyValue, refAnyValue = refValues()

	refEntity   = &refMessage{text: numbers(1, 2, 3, 4)}
	refResource = &refMessage{messages: map[protowire.Number]*refMessage{1: refKeyValue, 3: refEntity}}
	refScope    = &refMessage{text: numbers(1, 2), messages: map[protowire.Number]*refMessage{3: refKeyValue}}
	refEvent    = &refMessage{text: numbers(2), messages: map[protowire.Number]*refMessage{3: refKeyValue}}
	refLink     = &refMessage{text: numbers(3), ids: map[protowire.Number]int{1: 16, 2: 8}, messages: map[protowire.Number]*refMessage{4: refKeyValue}}
	refStatus   = &refMessage{text: numbers(2)}
	refSpan     = &refMessage{text: numbers(3, 5), ids: map[protowire.Number]int{1: 16, 2: 8, 4: 8},
		messages: map[protowire.Number]*refMessage{9: refKeyValue, 11: refEvent, 13: refLink, 15: refStatus}}
	refScopeSpans    = &refMessage{text: numbers(3), messages: map[protowire.Number]*refMessage{1: refScope, 2: refSpan}}
	refResourceSpans = &refMessage{text: numbers(3), messages: map[protowire.Number]*refMessage{1: refResource, 2: refScopeSpans, 1000: refScopeSpans}}
	refRequest       = &refMessage{messages: map[protowire.Number]*refMessage{1: refResourceSpans}}
)

// refValues is KeyValue and AnyValue, which contain each other.
func refValues() (keyValue, anyValue *refMessage) {
	keyValue = &refMessage{text: numbers(1)}
	anyValue = &refMessage{text: numbers(1)}
	keyValue.messages = map[protowire.Number]*refMessage{2: anyValue}
	anyValue.messages = map[protowire.Number]*refMessage{
		5: {messages: map[protowire.Number]*refMessage{1: anyValue}},
		6: {messages: map[protowire.Number]*refMessage{1: keyValue}},
	}
	return keyValue, anyValue
}

func numbers(all ...protowire.Number) map[protowire.Number]bool {
	set := map[protowire.Number]bool{}
	for _, n := range all {
		set[n] = true
	}
	return set
}

type refField struct {
	number  protowire.Number
	kind    protowire.Type
	raw     []byte
	content []byte // of a length-delimited one
}

func split(b []byte) []refField {
	var fields []refField
	for len(b) > 0 {
		number, kind, size := protowire.ConsumeField(b)
		if size < 0 {
			panic("the reference is asked about a malformed request")
		}
		f := refField{number: number, kind: kind, raw: b[:size]}
		if kind == protowire.BytesType {
			_, _, tag := protowire.ConsumeTag(b)
			f.content, _ = protowire.ConsumeBytes(b[tag:])
		}
		fields = append(fields, f)
		b = b[size:]
	}
	return fields
}

// usable says whether all text in a message is UTF-8 and all identifiers are of
// their length or empty, leaving out the messages of some fields.
func (m *refMessage) usable(b []byte, except ...protowire.Number) bool {
	for _, f := range split(b) {
		if m.text[f.number] && !utf8.Valid(f.content) {
			return false
		}
		if size, ok := m.ids[f.number]; ok && len(f.content) != size && len(f.content) != 0 {
			return false
		}
		if sub := m.messages[f.number]; sub != nil && !numbers(except...)[f.number] && !sub.usable(f.content) {
			return false
		}
	}
	return true
}

// refVerdict decides about a valid span by its trace id.
type refVerdict func(trace []byte) Verdict

func refValid(span []byte) (trace []byte, ok bool) {
	var id []byte
	for _, f := range split(span) {
		switch f.number {
		case 1:
			trace = f.content
		case 2:
			id = f.content
		}
	}
	zero := make([]byte, 16)
	return trace, refSpan.usable(span) && len(trace) == 16 && len(id) == 8 && !bytes.Equal(trace, zero) && !bytes.Equal(id, zero[:8])
}

// refFilter is Filter.
func refFilter(body []byte, verdict refVerdict) (out []byte, n Counts) {
	for _, f := range split(body) {
		if f.number != 1 {
			out = append(out, f.raw...)
			continue
		}
		out = append(out, refFilterMessage(f, 1, refResourceSpans, numbers(2, 1000), true, verdict, &n)...)
	}
	return out, n
}

// refFilterMessage filters a ResourceSpans or ScopeSpans, whose children are the
// fields called inner.
func refFilterMessage(f refField, number protowire.Number, m *refMessage, inner map[protowire.Number]bool, usable bool, verdict refVerdict, n *Counts) []byte {
	before := *n
	usable = usable && m.usable(f.content, 2, 1000)
	var content []byte
	for _, child := range split(f.content) {
		switch {
		case !inner[child.number]:
			content = append(content, child.raw...)
		case m == refResourceSpans:
			content = append(content, refFilterMessage(child, 2, refScopeSpans, numbers(2), usable, verdict, n)...)
		default:
			content = append(content, refFilterSpan(child, usable, verdict, n)...)
		}
	}
	if n.Spans > before.Spans && n.Kept == before.Kept {
		return nil
	}
	if bytes.Equal(content, f.content) && f.number == number {
		return f.raw
	}
	return message(number, content)
}

func refFilterSpan(f refField, usable bool, verdict refVerdict, n *Counts) []byte {
	n.Spans++
	trace, valid := refValid(f.content)
	if !valid || !usable {
		n.Invalid++
		return nil
	}
	v := verdict(trace)
	if !v.Keep {
		n.Dropped++
		return nil
	}
	n.Kept++
	if !v.Rewrite {
		return f.raw
	}
	fields := split(f.content)
	last, states := -1, 0
	for i, field := range fields {
		if field.number == 3 {
			last = i
			states++
		}
	}
	if last < 0 && len(v.TraceState) == 0 || states == 1 && len(v.TraceState) > 0 && bytes.Equal(fields[last].content, v.TraceState) {
		return f.raw
	}
	var state []byte
	if len(v.TraceState) > 0 {
		state = message(3, v.TraceState)
	}
	var content []byte
	for i, field := range fields {
		switch {
		case i == last:
			content = append(content, state...)
		case field.number != 3:
			content = append(content, field.raw...)
		}
	}
	if last < 0 {
		content = append(content, state...)
	}
	return message(2, content)
}
