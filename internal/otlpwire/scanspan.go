package otlpwire

import (
	"encoding/binary"
	"math"
)

const (
	spanFields   fields = 1<<17 - 1<<1 // 1 to 16
	eventFields  fields = 1<<5 - 1<<1  // 1 to 4
	linkFields   fields = 1<<7 - 1<<1  // 1 to 6
	statusFields fields = 1<<2 | 1<<3
)

func (w *wire) fixed64(at int) uint64 { return binary.LittleEndian.Uint64(w.b[at:]) }

// scanSpan scans a Span into s.span. What makes it invalid rather than the request
// malformed is left in the bad fields for spanInvalid.
func (s *scanner) scanSpan(pos, end int) bool {
	sp := &s.span
	*sp = Span{Service: s.service}
	s.states, s.stateFrom, s.stateTo = 0, 0, 0
	s.badText, s.badTraceID, s.badSpanID, s.badParentID, s.badLink = false, false, false, false, false
	prioritised := false // the first sampling.priority counts
	var from int
	for pos < end {
		start := pos
		tag := uint32(s.b[pos])
		if pos++; tag-8 >= 0x78 {
			if tag, pos = s.tag(start, end); pos < 0 {
				return false
			}
		}
		switch tag {
		case 1<<3 | wireBytes:
			if from, pos = s.chunk(pos, end); pos < 0 {
				return false
			}
			sp.TraceID = s.b[from:pos:pos]
			s.badTraceID = s.badTraceID || len(sp.TraceID) != 16 && len(sp.TraceID) != 0
		case 2<<3 | wireBytes:
			if from, pos = s.chunk(pos, end); pos < 0 {
				return false
			}
			sp.SpanID = s.b[from:pos:pos]
			s.badSpanID = s.badSpanID || len(sp.SpanID) != 8 && len(sp.SpanID) != 0
		case 3<<3 | wireBytes:
			if from, pos = s.chunk(pos, end); pos < 0 {
				return false
			}
			sp.TraceState = s.b[from:pos:pos]
			s.text(from, pos)
			s.states++
			s.stateFrom, s.stateTo = start, pos
		case 4<<3 | wireBytes:
			if from, pos = s.chunk(pos, end); pos < 0 {
				return false
			}
			sp.ParentSpanID = s.b[from:pos:pos]
			s.badParentID = s.badParentID || len(sp.ParentSpanID) != 8 && len(sp.ParentSpanID) != 0
		case 5<<3 | wireBytes:
			if from, pos = s.chunk(pos, end); pos < 0 {
				return false
			}
			sp.Name = s.b[from:pos:pos]
			s.text(from, pos)
		case 6<<3 | wireVarint:
			var v uint64
			if v, pos = s.varint(pos, end); pos < 0 {
				return false
			}
			sp.Kind = int32(v)
		case 7<<3 | wireFixed64, 8<<3 | wireFixed64:
			if pos = s.fixed(pos, end, 8); pos < 0 {
				return false
			}
			if t := s.fixed64(pos - 8); tag == 7<<3|wireFixed64 {
				sp.StartTime = t
			} else {
				sp.EndTime = t
			}
		case 9<<3 | wireBytes:
			if from, pos = s.chunk(pos, end); pos < 0 {
				return false
			}
			keyFrom, keyTo, value, ok := s.keyValue(from, pos, 0)
			if !ok {
				return false
			}
			if !prioritised && string(s.b[keyFrom:keyTo]) == "sampling.priority" {
				prioritised = true
				sp.Priority, sp.HasPriority = s.number(value)
			}
		case 10<<3 | wireVarint, 12<<3 | wireVarint, 14<<3 | wireVarint:
			if pos = s.skipVarint(pos, end); pos < 0 {
				return false
			}
		case 11<<3 | wireBytes:
			if from, pos = s.chunk(pos, end); pos < 0 || !s.event(from, pos) {
				return false
			}
		case 13<<3 | wireBytes:
			if from, pos = s.chunk(pos, end); pos < 0 || !s.link(from, pos) {
				return false
			}
		case 15<<3 | wireBytes:
			if from, pos = s.chunk(pos, end); pos < 0 || !s.status(from, pos) {
				return false
			}
		case 16<<3 | wireFixed32:
			if pos = s.fixed(pos, end, 4); pos < 0 {
				return false
			}
			sp.Flags = binary.LittleEndian.Uint32(s.b[pos-4:])
		default:
			if pos = s.unknown(tag, spanFields, start, pos, end); pos < 0 {
				return false
			}
		}
	}
	return true
}

func (s *scanner) spanInvalid() Invalid {
	sp := &s.span
	switch {
	case s.badTraceID || len(sp.TraceID) == 0 || binary.LittleEndian.Uint64(sp.TraceID)|binary.LittleEndian.Uint64(sp.TraceID[8:]) == 0:
		return InvalidTraceID
	case s.badSpanID || len(sp.SpanID) == 0 || binary.LittleEndian.Uint64(sp.SpanID) == 0:
		return InvalidSpanID
	case s.badParentID:
		return InvalidParentSpanID
	case s.badLink:
		return InvalidLink
	case s.badText:
		return InvalidText
	}
	return s.invalid
}

func (s *scanner) event(pos, end int) bool {
	if !s.count(pos) {
		return false
	}
	var from int
	for pos < end {
		start := pos
		var tag uint32
		if tag, pos = s.tag(pos, end); pos < 0 {
			return false
		}
		switch tag {
		case 1<<3 | wireFixed64:
			pos = s.fixed(pos, end, 8)
		case 2<<3 | wireBytes:
			if from, pos = s.chunk(pos, end); pos >= 0 {
				s.text(from, pos)
			}
		case 3<<3 | wireBytes:
			if from, pos = s.chunk(pos, end); pos >= 0 && !s.attribute(from, pos) {
				return false
			}
		case 4<<3 | wireVarint:
			pos = s.skipVarint(pos, end)
		default:
			pos = s.unknown(tag, eventFields, start, pos, end)
		}
		if pos < 0 {
			return false
		}
	}
	return true
}

func (s *scanner) link(pos, end int) bool {
	if !s.count(pos) {
		return false
	}
	var from int
	for pos < end {
		start := pos
		var tag uint32
		if tag, pos = s.tag(pos, end); pos < 0 {
			return false
		}
		switch tag {
		case 1<<3 | wireBytes:
			from, pos = s.chunk(pos, end)
			s.badLink = s.badLink || pos-from != 16 && pos-from != 0
		case 2<<3 | wireBytes:
			from, pos = s.chunk(pos, end)
			s.badLink = s.badLink || pos-from != 8 && pos-from != 0
		case 3<<3 | wireBytes:
			if from, pos = s.chunk(pos, end); pos >= 0 {
				s.text(from, pos)
			}
		case 4<<3 | wireBytes:
			if from, pos = s.chunk(pos, end); pos >= 0 && !s.attribute(from, pos) {
				return false
			}
		case 5<<3 | wireVarint:
			pos = s.skipVarint(pos, end)
		case 6<<3 | wireFixed32:
			pos = s.fixed(pos, end, 4)
		default:
			pos = s.unknown(tag, linkFields, start, pos, end)
		}
		if pos < 0 {
			return false
		}
	}
	return true
}

// status merges into s.span what this occurrence of the field has.
func (s *scanner) status(pos, end int) bool {
	var from int
	for pos < end {
		start := pos
		var tag uint32
		if tag, pos = s.tag(pos, end); pos < 0 {
			return false
		}
		switch tag {
		case 2<<3 | wireBytes:
			if from, pos = s.chunk(pos, end); pos >= 0 {
				s.text(from, pos)
			}
		case 3<<3 | wireVarint:
			var v uint64
			v, pos = s.varint(pos, end)
			s.span.StatusCode = int32(v)
		default:
			pos = s.unknown(tag, statusFields, start, pos, end)
		}
		if pos < 0 {
			return false
		}
	}
	return true
}

// number is what an attribute's value says as a number, if it does.
func (s *scanner) number(v scalar) (float64, bool) {
	switch v.kind {
	case integerValue:
		return float64(int64(v.bits)), true
	case doubleValue:
		if f := math.Float64frombits(v.bits); !math.IsNaN(f) {
			return f, true
		}
	case textValue:
		return parseDecimal(s.b[v.from:v.to])
	}
	return 0, false
}
