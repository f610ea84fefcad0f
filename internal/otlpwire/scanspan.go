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

// scanSpan scans a Span into s.span. What makes it invalid rather than the request
// malformed is left in the bad fields for spanInvalid.
func (s *scanner) scanSpan(pos, end int) bool {
	sp := &s.span
	*sp = Span{Service: s.service, Bytes: end - pos}
	s.states, s.stateFrom, s.stateTo = 0, 0, 0
	s.badText, s.badTraceID, s.badSpanID, s.badParentID, s.badLink = false, false, false, false, false
	prioritised := false // the first sampling.priority counts
	for pos < end {
		tag, from, to := plainField(s.b, pos, end)
		if tag == 0 {
			if tag, from, to = s.field(pos, end); to < 0 {
				return false
			}
		}
		switch tag {
		case 1<<3 | wireBytes:
			sp.TraceID = s.b[from:to:to]
			s.badTraceID = s.badTraceID || to-from != 16 && to != from
		case 2<<3 | wireBytes:
			sp.SpanID = s.b[from:to:to]
			s.badSpanID = s.badSpanID || to-from != 8 && to != from
		case 3<<3 | wireBytes:
			sp.TraceState = s.b[from:to:to]
			s.text(from, to)
			s.states++
			s.stateFrom, s.stateTo = pos, to
		case 4<<3 | wireBytes:
			sp.ParentSpanID = s.b[from:to:to]
			s.badParentID = s.badParentID || to-from != 8 && to != from
		case 5<<3 | wireBytes:
			sp.Name = s.b[from:to:to]
			s.text(from, to)
		case 6<<3 | wireVarint:
			sp.Kind = int32(s.number(from, to))
		case 7<<3 | wireFixed64:
			sp.StartTime = s.fixed64(from)
		case 8<<3 | wireFixed64:
			sp.EndTime = s.fixed64(from)
		case 9<<3 | wireBytes:
			keyFrom, keyTo, value, ok := s.keyValue(from, to, attributeDepth)
			if !ok {
				return false
			}
			switch key := s.b[keyFrom:keyTo]; len(key) {
			case len("sampling.priority"):
				if !prioritised && string(key) == "sampling.priority" {
					prioritised = true
					sp.Priority, sp.HasPriority = s.priority(value)
				}
			case len("db.system"), len("peer.service"), len("net.peer.name"), len("server.address"):
				if value.kind == textValue {
					sp.called(key, s.b[value.from:value.to:value.to])
				}
			}
		case 10<<3 | wireVarint, 12<<3 | wireVarint, 14<<3 | wireVarint:
		case 11<<3 | wireBytes:
			if !s.event(from, to) {
				return false
			}
		case 13<<3 | wireBytes:
			if !s.link(from, to) {
				return false
			}
		case 15<<3 | wireBytes:
			if !s.status(from, to) {
				return false
			}
		case 16<<3 | wireFixed32:
			sp.Flags = s.fixed32(from)
		default:
			if !s.unknown(tag, spanFields, pos) {
				return false
			}
		}
		pos = to
	}
	return true
}

// called notes an attribute that names whom the span called.
func (sp *Span) called(key, value []byte) {
	var field *[]byte
	switch string(key) {
	case "peer.service":
		field = &sp.PeerService
	case "server.address", "net.peer.name":
		field = &sp.ServerAddress
	case "db.system.name", "db.system":
		field = &sp.DBSystem
	default:
		return
	}
	if *field == nil {
		*field = value
	}
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
	for pos < end {
		tag, from, to := s.field(pos, end)
		if to < 0 {
			return false
		}
		switch tag {
		case 1<<3 | wireFixed64, 4<<3 | wireVarint:
		case 2<<3 | wireBytes:
			s.text(from, to)
		case 3<<3 | wireBytes:
			if !s.attribute(from, to) {
				return false
			}
		default:
			if !s.unknown(tag, eventFields, pos) {
				return false
			}
		}
		pos = to
	}
	return true
}

func (s *scanner) link(pos, end int) bool {
	if !s.count(pos) {
		return false
	}
	for pos < end {
		tag, from, to := s.field(pos, end)
		if to < 0 {
			return false
		}
		switch tag {
		case 1<<3 | wireBytes:
			s.badLink = s.badLink || to-from != 16 && to != from
		case 2<<3 | wireBytes:
			s.badLink = s.badLink || to-from != 8 && to != from
		case 3<<3 | wireBytes:
			s.text(from, to)
		case 4<<3 | wireBytes:
			if !s.attribute(from, to) {
				return false
			}
		case 5<<3 | wireVarint, 6<<3 | wireFixed32:
		default:
			if !s.unknown(tag, linkFields, pos) {
				return false
			}
		}
		pos = to
	}
	return true
}

// status merges into s.span what this occurrence of the field has.
func (s *scanner) status(pos, end int) bool {
	for pos < end {
		tag, from, to := s.field(pos, end)
		if to < 0 {
			return false
		}
		switch tag {
		case 2<<3 | wireBytes:
			s.text(from, to)
		case 3<<3 | wireVarint:
			s.span.StatusCode = int32(s.number(from, to))
		default:
			if !s.unknown(tag, statusFields, pos) {
				return false
			}
		}
		pos = to
	}
	return true
}

// priority is what an attribute's value says as a number, if it does.
func (s *scanner) priority(v scalar) (float64, bool) {
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
