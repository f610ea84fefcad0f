package traceql

import (
	"bytes"
	"encoding/hex"
	"math"
	"strings"
	"unsafe"

	"google.golang.org/protobuf/encoding/protowire"

	"appliance/internal/otlpwire"
)

// OneSpan is a span in its wire bytes, of which a SpanFilter asks what it wants
// to know. Nothing is copied: the bytes must not change while it is asked.
type OneSpan struct {
	// ID and Parent are 8 bytes, or empty.
	TraceID, ID, Parent, Name []byte
	Start, End                uint64 // Unix nanoseconds
	Status, Kind              int64

	message               []byte // of the status
	span, scope, resource []byte
	events, links         int

	// Room for whoever asks.
	reader       rows
	values, seen [8]Value
}

// Set makes s the span of three messages: a Resource, an InstrumentationScope
// and a Span. The error is that of a span that is not protobuf.
func (s *OneSpan) Set(resource, scope, span []byte) error {
	s.resource, s.scope, s.span = resource, scope, span
	s.TraceID, s.ID, s.Parent, s.Name, s.message = nil, nil, nil, nil, nil
	s.Start, s.End, s.Status, s.Kind, s.events, s.links = 0, 0, 0, 0, 0, 0
	f := otlpwire.NewFields(span)
	for f.Next() {
		switch f.Tag {
		case 1<<3 | otlpwire.TagBytes:
			s.TraceID = f.Bytes
		case 2<<3 | otlpwire.TagBytes:
			s.ID = f.Bytes
		case 4<<3 | otlpwire.TagBytes:
			s.Parent = f.Bytes
		case 5<<3 | otlpwire.TagBytes:
			s.Name = f.Bytes
		case 6<<3 | otlpwire.TagVarint:
			s.Kind = int64(int32(f.Number))
		case 7<<3 | otlpwire.TagFixed64:
			s.Start = f.Number
		case 8<<3 | otlpwire.TagFixed64:
			s.End = f.Number
		case 11<<3 | otlpwire.TagBytes:
			s.events++
		case 13<<3 | otlpwire.TagBytes:
			s.links++
		case 15<<3 | otlpwire.TagBytes:
			s.setStatus(f.Bytes)
		}
	}
	return f.Err()
}

func (s *OneSpan) setStatus(message []byte) {
	s.message, s.Status = nil, 0
	f := otlpwire.NewFields(message)
	for f.Next() {
		switch f.Tag {
		case 2<<3 | otlpwire.TagBytes:
			s.message = f.Bytes
		case 3<<3 | otlpwire.TagVarint:
			s.Status = int64(int32(f.Number))
		}
	}
}

// IsRoot says that the span has no parent.
func (s *OneSpan) IsRoot() bool { return len(bytes.Trim(s.Parent, "\x00")) == 0 }

// Values appends the values of a field of the span, as by() would see them:
// none where it has none. Fields of the whole trace it does not know.
func (s *OneSpan) Values(f Field, dst []Value) []Value {
	if unscoped(f) {
		n := len(dst)
		dst, keyed := s.attribute(spanField(f), false, dst)
		if len(dst) > n || keyed {
			return dst
		}
		f = resourceField(f)
	}
	if f.inner() && s.rows(f) == 0 {
		if v, ok := phantom(f); ok {
			dst = append(dst, v)
		}
		return dst
	}
	dst, _ = s.attribute(f, false, dst)
	return dst
}

// match says whether a predicate is true for the span, of events and links for
// any. It is rows.match for a span alone.
func (s *OneSpan) match(f Field, p *Predicate) bool {
	if p.asksAbsence() {
		return !s.match(f, presence())
	}
	if unscoped(f) {
		f = spanField(f)
		if _, keyed := s.attribute(f, false, s.seen[:0]); !keyed {
			f = resourceField(f)
		}
	}
	if f.inner() && s.rows(f) == 0 {
		v, ok := phantom(f)
		return ok && p.matchesPhantom(f, v)
	}
	values, _ := s.every(f, false, s.seen[:0])
	if p.seesOdd {
		values, _ = s.every(f, true, values)
	}
	for _, v := range values {
		if p.Match(v) {
			return true
		}
	}
	return false
}

// inner says that the field is of events or links.
func (f Field) inner() bool { return f.Level() >= LevelEvent }

// rows is how many events or links the span has, whichever the field is of.
func (s *OneSpan) rows(f Field) int {
	if f.Level() == LevelEvent {
		return s.events
	}
	return s.links
}

// attribute appends the values of a field with a scope: of events and links
// those of the first that has any. odd asks for those of a well-known attribute
// that are not of its type. keyed says whether the key is there at all.
func (s *OneSpan) attribute(f Field, odd bool, dst []Value) (_ []Value, keyed bool) {
	if !f.inner() {
		return s.every(f, odd, dst)
	}
	n := len(dst)
	s.each(f, func(message []byte) bool {
		dst, _ = s.innerValues(f, message, odd, dst)
		return len(dst) == n
	})
	return dst, len(dst) > n
}

// every is attribute for all events and links.
func (s *OneSpan) every(f Field, odd bool, dst []Value) (_ []Value, keyed bool) {
	if f.Intrinsic != IntrinsicNone && !f.inner() {
		if !odd {
			dst = s.intrinsic(f.Intrinsic, dst)
		}
		return dst, false
	}
	switch f.Level() {
	case LevelResource:
		return resourceValues(s.resource, f, odd, dst)
	case LevelScope:
		return keyValues(s.scope, 3, f, odd, dst)
	case LevelSpan:
		return keyValues(s.span, 9, f, odd, dst)
	}
	s.each(f, func(message []byte) bool {
		var k bool
		dst, k = s.innerValues(f, message, odd, dst)
		keyed = keyed || k
		return true
	})
	return dst, keyed
}

// each calls yield with each event or link, until it returns false.
func (s *OneSpan) each(f Field, yield func(message []byte) bool) {
	tag := uint32(11<<3 | otlpwire.TagBytes)
	if f.Level() == LevelLink {
		tag = 13<<3 | otlpwire.TagBytes
	}
	fields := otlpwire.NewFields(s.span)
	for fields.Next() {
		if fields.Tag == tag && !yield(fields.Bytes) {
			return
		}
	}
}

func (s *OneSpan) intrinsic(i Intrinsic, dst []Value) []Value {
	switch i {
	case IntrinsicName:
		return append(dst, textValue(s.Name))
	case IntrinsicDuration:
		return append(dst, DurationValue(int64(s.End-s.Start)))
	case IntrinsicStatus:
		return append(dst, Value{Type: TypeStatus, Num: s.Status})
	case IntrinsicStatusMessage:
		return append(dst, textValue(s.message))
	case IntrinsicKind:
		return append(dst, Value{Type: TypeKind, Num: s.Kind})
	case IntrinsicSpanID:
		return append(dst, idValue(s.ID, 8, false))
	case IntrinsicParentID:
		return append(dst, idValue(s.Parent, 8, false))
	case IntrinsicInstrumentationName:
		return append(dst, textValue(lastText(s.scope, 1)))
	case IntrinsicInstrumentationVersion:
		return append(dst, textValue(lastText(s.scope, 2)))
	}
	return dst
}

// innerValues are those of one event or link.
func (s *OneSpan) innerValues(f Field, message []byte, odd bool, dst []Value) (_ []Value, keyed bool) {
	switch {
	case f.Intrinsic != IntrinsicNone && odd:
		return dst, false
	case f.Intrinsic == IntrinsicEventName:
		return append(dst, textValue(lastText(message, 2))), true
	case f.Intrinsic == IntrinsicEventTimeSinceStart:
		at := uint64(0)
		for fields := otlpwire.NewFields(message); fields.Next(); {
			if fields.Tag == 1<<3|otlpwire.TagFixed64 {
				at = fields.Number
			}
		}
		return append(dst, DurationValue(int64(at-s.Start))), true
	case f.Intrinsic == IntrinsicLinkTraceID:
		return append(dst, idValue(lastText(message, 1), 16, true)), true
	case f.Intrinsic == IntrinsicLinkSpanID:
		return append(dst, idValue(lastText(message, 2), 8, false)), true
	case f.Scope == ScopeEvent:
		return keyValues(message, 3, f, odd, dst)
	default:
		return keyValues(message, 4, f, odd, dst)
	}
}

// resourceValues are those of a resource, whose service.name is always there.
func resourceValues(message []byte, f Field, odd bool, dst []Value) (_ []Value, keyed bool) {
	if f.Name != "service.name" || odd {
		return keyValues(message, 1, f, odd, dst)
	}
	var service []byte
	for fields := otlpwire.NewFields(message); fields.Next(); {
		if fields.Tag == 1<<3|otlpwire.TagBytes {
			if key, text, ok := stringAttribute(fields.Bytes); ok && string(key) == f.Name {
				service = text
			}
		}
	}
	return append(dst, textValue(service)), true
}

// keyValues appends the values of the key f in a message that has its
// attributes in the field of a number.
func keyValues(message []byte, number uint32, f Field, odd bool, dst []Value) (_ []Value, keyed bool) {
	tag := number<<3 | otlpwire.TagBytes
	for fields := otlpwire.NewFields(message); fields.Next(); {
		if fields.Tag != tag {
			continue
		}
		key, value := keyValue(fields.Bytes)
		if string(key) != f.Name {
			continue
		}
		keyed = true
		kind, text, bits := anyValue(value)
		t, known := wellKnown[f]
		isOdd := known && !(kind == anyString && t == TypeString || kind == anyInt && t == TypeInt) &&
			kind >= anyString && kind <= anyArray
		if isOdd == odd {
			dst = appendAny(dst, kind, text, bits)
		}
	}
	return dst, keyed
}

// appendAny appends the value of an attribute, or those of an array of scalars
// of one type.
func appendAny(dst []Value, kind protowire.Number, text []byte, bits uint64) []Value {
	switch kind {
	case anyString:
		return append(dst, textValue(text))
	case anyBool:
		return append(dst, BoolValue(bits != 0))
	case anyInt:
		return append(dst, IntValue(int64(bits)))
	case anyDouble:
		return append(dst, FloatValue(math.Float64frombits(bits)))
	case anyArray:
		if !uniform(text) {
			return dst
		}
		for fields := otlpwire.NewFields(text); fields.Next(); {
			kind, text, bits := anyValue(fields.Bytes)
			dst = appendAny(dst, kind, text, bits)
		}
	}
	return dst
}

// lastText is the last field of a number, of those that have bytes.
func lastText(message []byte, number uint32) (text []byte) {
	for fields := otlpwire.NewFields(message); fields.Next(); {
		if fields.Tag == number<<3|otlpwire.TagBytes {
			text = fields.Bytes
		}
	}
	return text
}

// textValue does not copy: values of a span live as long as it is asked.
func textValue(b []byte) Value { return StringValue(unsafe.String(unsafe.SliceData(b), len(b))) }

// idValue is an identifier as a query sees it. A missing one is all zeros.
func idValue(id []byte, width int, short bool) Value {
	full := make([]byte, width)
	copy(full, id)
	text := hex.EncodeToString(full)
	if short {
		text = strings.TrimLeft(text, "0")
	}
	return StringValue(text)
}
