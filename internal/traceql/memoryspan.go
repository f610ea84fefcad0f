package traceql

import (
	"math"

	"google.golang.org/protobuf/encoding/protowire"
)

// span writes a span's columns, but for those of its place in the trace.
func (l *layout) span(message []byte) spanFacts {
	row := uint32(l.counts[LevelSpan])
	l.counts[LevelSpan]++
	l.offsets[LevelEvent] = append(l.offsets[LevelEvent], uint32(l.counts[LevelEvent]))
	l.offsets[LevelLink] = append(l.offsets[LevelLink], uint32(l.counts[LevelLink]))
	var (
		f                   spanFacts
		id, parent          [8]byte
		name, state, status []byte
		events              [][]byte
	)
	_ = fields(message, func(number protowire.Number, value []byte, bits uint64) error {
		switch number {
		case 2:
			copy(id[:], value)
		case 3:
			state = value
		case 4:
			copy(parent[:], value)
		case 5:
			name = value
		case 6:
			f.kind = int64(int32(bits))
		case 7:
			f.start = bits
		case 8:
			f.end = bits
		case 9:
			l.attribute(ScopeSpan, row, value)
		case 11:
			events = append(events, value)
		case 13:
			l.link(value)
		case 15:
			status = value
		}
		return nil
	})
	for _, e := range events {
		l.event(e, f.start)
	}
	f.id, f.name = string(id[:]), string(name)
	if parent != [8]byte{} {
		f.parent = string(parent[:])
	}
	l.spanIDs, l.parents = append(l.spanIDs, id[:]...), append(l.parents, parent[:]...)
	l.text(IntrinsicName).addString(row, name)
	if len(state) > 0 {
		l.text(IntrinsicTraceState).addString(row, state)
	}
	l.number(IntrinsicKind, f.kind)
	l.number(IntrinsicStart, int64(f.start))
	l.number(IntrinsicDuration, int64(f.end-f.start))
	f.status = l.status(row, status)
	return f
}

func (l *layout) status(row uint32, message []byte) (code int64) {
	var text []byte
	_ = fields(message, func(number protowire.Number, value []byte, bits uint64) error {
		switch number {
		case 2:
			text = value
		case 3:
			code = int64(int32(bits))
		}
		return nil
	})
	l.text(IntrinsicStatusMessage).addString(row, text)
	l.number(IntrinsicStatus, code)
	return code
}

func (l *layout) event(message []byte, start uint64) {
	row := uint32(l.counts[LevelEvent])
	l.counts[LevelEvent]++
	var name []byte
	var at uint64
	_ = fields(message, func(number protowire.Number, value []byte, bits uint64) error {
		switch number {
		case 1:
			at = bits
		case 2:
			name = value
		case 3:
			l.attribute(ScopeEvent, row, value)
		}
		return nil
	})
	l.text(IntrinsicEventName).addString(row, name)
	l.number(IntrinsicEventTimeSinceStart, int64(at-start))
}

func (l *layout) link(message []byte) {
	row := uint32(l.counts[LevelLink])
	l.counts[LevelLink]++
	var trace [16]byte
	var span [8]byte
	_ = fields(message, func(number protowire.Number, value []byte, _ uint64) error {
		switch number {
		case 1:
			copy(trace[:], value)
		case 2:
			copy(span[:], value)
		case 4:
			l.attribute(ScopeLink, row, value)
		}
		return nil
	})
	l.linkTraces, l.linkSpans = append(l.linkTraces, trace[:]...), append(l.linkSpans, span[:]...)
}

// keyValue is the key of a KeyValue and its encoded AnyValue.
func keyValue(message []byte) (key, value []byte) {
	_ = fields(message, func(number protowire.Number, field []byte, _ uint64) error {
		switch number {
		case 1:
			key = field
		case 2:
			value = field
		}
		return nil
	})
	return key, value
}

// stringAttribute is a KeyValue whose value is a string.
func stringAttribute(message []byte) (key, text []byte, ok bool) {
	key, value := keyValue(message)
	kind, text, _ := anyValue(value)
	return key, text, kind == anyString
}

func (l *layout) attribute(scope Scope, row uint32, message []byte) {
	key, value := keyValue(message)
	c := l.key(scope, key)
	kind, text, bits := anyValue(value)
	if t, known := wellKnown[Field{Scope: scope, Name: string(key)}]; known && !(kind == anyString && t == TypeString ||
		kind == anyInt && t == TypeInt) && kind >= anyString && kind <= anyArray {
		if kind == anyArray && !uniform(text) {
			c.hide(row)
			return
		}
		c = c.oddColumn()
	}
	if kind == anyArray {
		c.addArray(row, text)
		return
	}
	if !c.addScalar(row, kind, text, bits) {
		c.hide(row)
	}
}

// Fields of AnyValue.
const (
	anyNothing protowire.Number = iota
	anyString
	anyBool
	anyInt
	anyDouble
	anyArray
)

// anyValue is the last field of an AnyValue that is set, as protobuf has it.
func anyValue(message []byte) (kind protowire.Number, text []byte, bits uint64) {
	_ = fields(message, func(number protowire.Number, value []byte, n uint64) error {
		kind, text, bits = number, value, n
		return nil
	})
	return kind, text, bits
}

func (c *columnBuilder) addScalar(row uint32, kind protowire.Number, text []byte, bits uint64) bool {
	switch kind {
	case anyString:
		c.addString(row, text)
	case anyBool:
		c.addInt(row, TypeBool, int64(min(bits, 1)))
	case anyInt:
		c.addInt(row, TypeInt, int64(bits))
	case anyDouble:
		c.addFloat(row, math.Float64frombits(bits))
	default:
		return false
	}
	return true
}

// uniform says whether an array has elements, all of them scalars of one type.
func uniform(message []byte) bool {
	var first protowire.Number
	same := true
	_ = fields(message, func(_ protowire.Number, value []byte, _ uint64) error {
		kind, _, _ := anyValue(value)
		if first == anyNothing {
			first = kind
		}
		same = same && kind == first && kind >= anyString && kind <= anyDouble
		return nil
	})
	return same && first != anyNothing
}

// addArray adds each element if all are scalars of one type.
func (c *columnBuilder) addArray(row uint32, message []byte) {
	if !uniform(message) {
		c.hide(row)
		return
	}
	_ = fields(message, func(_ protowire.Number, value []byte, _ uint64) error {
		kind, text, bits := anyValue(value)
		c.addScalar(row, kind, text, bits)
		return nil
	})
}
