package blocktest

import (
	"encoding/binary"
	"fmt"
	"math"
)

// Append appends an ExportTraceServiceRequest to dst.
func Append(dst []byte, batches ...ResourceSpans) []byte {
	w := wire{dst}
	for i := range batches {
		w.resourceSpans(&batches[i])
	}
	return w.b
}

// wire appends protobuf messages. Fields that have their default are left out.
type wire struct{ b []byte }

func (w *wire) tag(field, kind int) { w.b = binary.AppendUvarint(w.b, uint64(field<<3|kind)) }

// message appends a field that is a message, which f writes.
func (w *wire) message(field int, f func()) {
	w.tag(field, 2)
	start := len(w.b)
	f()
	n := len(w.b) - start
	var length [binary.MaxVarintLen64]byte
	k := binary.PutUvarint(length[:], uint64(n))
	w.b = append(w.b, length[:k]...)
	copy(w.b[start+k:], w.b[start:start+n])
	copy(w.b[start:], length[:k])
}

func (w *wire) bytes(field int, v []byte) {
	w.tag(field, 2)
	w.b = binary.AppendUvarint(w.b, uint64(len(v)))
	w.b = append(w.b, v...)
}

func (w *wire) text(field int, v string) {
	if v != "" {
		w.bytes(field, []byte(v))
	}
}

func (w *wire) varint(field int, v uint64) {
	if v != 0 {
		w.tag(field, 0)
		w.b = binary.AppendUvarint(w.b, v)
	}
}

func (w *wire) fixed64(field int, v uint64) {
	w.tag(field, 1)
	w.b = binary.LittleEndian.AppendUint64(w.b, v)
}

func (w *wire) fixed32(field int, v uint32) {
	if v != 0 {
		w.tag(field, 5)
		w.b = binary.LittleEndian.AppendUint32(w.b, v)
	}
}

func (w *wire) resourceSpans(rs *ResourceSpans) {
	w.message(1, func() {
		w.message(1, func() {
			w.attrs(1, rs.Resource.Attrs)
			w.varint(2, uint64(rs.Resource.Dropped))
		})
		for i := range rs.Scopes {
			w.scopeSpans(&rs.Scopes[i])
		}
		w.text(3, rs.Resource.Schema)
	})
}

func (w *wire) scopeSpans(ss *ScopeSpans) {
	w.message(2, func() {
		w.message(1, func() {
			w.text(1, ss.Scope.Name)
			w.text(2, ss.Scope.Version)
			w.attrs(3, ss.Scope.Attrs)
			w.varint(4, uint64(ss.Scope.Dropped))
		})
		for i := range ss.Spans {
			w.message(2, func() { w.span(&ss.Spans[i]) })
		}
		w.text(3, ss.Scope.Schema)
	})
}

func (w *wire) span(s *Span) {
	w.bytes(1, s.TraceID)
	w.bytes(2, s.SpanID)
	w.text(3, s.TraceState)
	if len(s.Parent) > 0 {
		w.bytes(4, s.Parent)
	}
	w.text(5, s.Name)
	w.varint(6, uint64(int64(s.Kind)))
	w.fixed64(7, s.Start)
	w.fixed64(8, s.End)
	w.attrs(9, s.Attrs)
	w.varint(10, uint64(s.DroppedAttrs))
	for i := range s.Events {
		w.event(&s.Events[i])
	}
	w.varint(12, uint64(s.DroppedEvents))
	for i := range s.Links {
		w.link(&s.Links[i])
	}
	w.varint(14, uint64(s.DroppedLinks))
	if s.Status != 0 || s.Message != "" {
		w.message(15, func() {
			w.text(2, s.Message)
			w.varint(3, uint64(int64(s.Status)))
		})
	}
	w.fixed32(16, s.Flags)
	w.b = append(w.b, s.Unknown...)
}

func (w *wire) event(e *Event) {
	w.message(11, func() {
		w.fixed64(1, e.Time)
		w.text(2, e.Name)
		w.attrs(3, e.Attrs)
		w.varint(4, uint64(e.Dropped))
	})
}

func (w *wire) link(l *Link) {
	w.message(13, func() {
		w.bytes(1, l.TraceID)
		w.bytes(2, l.SpanID)
		w.text(3, l.TraceState)
		w.attrs(4, l.Attrs)
		w.varint(5, uint64(l.Dropped))
		w.fixed32(6, l.Flags)
	})
}

func (w *wire) attrs(field int, attrs []Attr) {
	for _, a := range attrs {
		w.message(field, func() {
			w.text(1, a.Key)
			if _, missing := a.Value.(Missing); !missing {
				w.message(2, func() { w.value(a.Value) })
			}
		})
	}
}

// value appends the field of an AnyValue.
func (w *wire) value(v any) {
	switch v := v.(type) {
	case nil:
	case string:
		w.bytes(1, []byte(v))
	case bool:
		w.tag(2, 0)
		if v {
			w.b = append(w.b, 1)
		} else {
			w.b = append(w.b, 0)
		}
	case int64:
		w.tag(3, 0)
		w.b = binary.AppendUvarint(w.b, uint64(v))
	case float64:
		w.fixed64(4, math.Float64bits(v))
	case []any:
		w.message(5, func() {
			for _, e := range v {
				w.message(1, func() { w.value(e) })
			}
		})
	case []Attr:
		w.message(6, func() { w.attrs(1, v) })
	case []byte:
		w.bytes(7, v)
	default:
		// a test that is wrong itself
		panic(fmt.Sprintf("an attribute cannot have a value of type %T", v))
	}
}
