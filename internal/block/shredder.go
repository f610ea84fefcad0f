package block

import (
	"bytes"
	"encoding/hex"

	"appliance/internal/otlpwire"
)

// shredder writes traces into columns.
type shredder struct {
	columns *columns
	key     uint64 // of the digest
	digest  Digest
	removed Digest // of copies
	lost    Lost

	words     *vocabulary // of compact spans
	recording *written    // of the resource or scope that is being written
	plain     bool        // it has only attributes that can be recorded
	json      []byte
	text      [32]byte

	resource [len(resourceSpecials)][]byte // specials of the current resource; nil is absent
	method   []byte                        // specials of the current span
	url      []byte
	status   int64
	has      [len(spanSpecials)]bool

	events, links           int    // of the current span
	eventHashes, linkHashes uint64 // folded
}

// Levels of definition and repetition. A level of repetition says which list
// goes on: a resource's, a scope's, ...
const (
	defResource, repResource = 1, 1
	defScope, repScope       = 2, 2
	defSpan, repSpan         = 3, 3
	defEvent, repEvent       = 4, 4 // links likewise
)

// row writes what a trace has once.
func (s *shredder) row(t *trace) {
	by := &s.columns.by
	by[TraceID].text(t.id[:])
	by[TraceIDText].text(traceIDText(s.text[:0], t.id))
	by[TraceStart].int(int64(t.start))
	by[TraceEnd].int(int64(t.end))
	by[TraceDuration].int(int64(t.end - t.start))
	by[RootService].text(t.rootService)
	by[RootName].text(t.rootName)
	rep := uint8(0)
	for _, st := range t.stats {
		s.columns.stats.add(rep, 1)
		by[StatsService].text(st.service)
		by[StatsSpans].int(int64(st.spans))
		by[StatsErrors].int(int64(st.errors))
		rep = 1
	}
}

// traceIDText appends the hexadecimal form without zeros at its beginning, by
// which Tempo's queries know a trace.
func traceIDText(dst []byte, id [16]byte) []byte {
	text := hex.AppendEncode(dst, id[:])
	return bytes.TrimLeft(text, "0")
}

// writeResource writes a resource, and returns its hash.
func (s *shredder) writeResource(raw []byte, rep uint8) (uint64, error) {
	a := &s.columns.attrs[OfResource]
	s.columns.resources.add(rep, defResource)
	a.begin(rep)
	clear(s.resource[:])
	var service []byte
	var dropped uint64
	f := otlpwire.NewFields(raw)
	for f.Next() {
		switch f.Tag {
		case 1<<3 | otlpwire.TagBytes:
			key, v, err := readKeyValue(f.Bytes)
			if err != nil {
				return 0, err
			}
			if v.kind == anyText && string(key) == serviceName {
				if service != nil {
					s.lost.Attributes++
				}
				service = v.bytes
			} else if v.kind != anyText || !s.resourceSpecial(key, v.bytes) {
				if err := s.attribute(OfResource, key, &v); err != nil {
					return 0, err
				}
			}
		case 2<<3 | otlpwire.TagVarint:
			dropped = f.Number
		}
	}
	s.dropped(ResourceDropped, dropped)
	hash := s.column(ResourceService, service)
	if len(service) > 0 {
		a.sum += foldValue(fold(hashAttribute, serviceNameHash), valueText, hash)
	}
	for i, v := range s.resource {
		if v != nil {
			h := fold(hashAttribute, textHash([]byte(resourceSpecials[i].key)))
			a.sum += foldValue(h, valueText, s.column(resourceSpecials[i].role, v))
		}
	}
	a.end(defResource)
	return resourceHash(a.sum, uint64(int32(dropped))), f.Err()
}

// dropped writes how many attributes a resource or a scope has dropped.
func (s *shredder) dropped(r Role, n uint64) {
	s.recording.dropped = int64(int32(n))
	s.columns.by[r].int(s.recording.dropped)
}

// resourceSpecial takes an attribute that has a column of its own.
func (s *shredder) resourceSpecial(key, text []byte) bool {
	for i := range resourceSpecials {
		if resourceSpecials[i].key == string(key) {
			if s.resource[i] != nil {
				s.lost.Attributes++
			}
			s.resource[i] = text
			return true
		}
	}
	return false
}

// writeScope writes a scope, and returns its hash.
func (s *shredder) writeScope(raw []byte, rep uint8) (uint64, error) {
	a := &s.columns.attrs[OfScope]
	s.columns.scopes.add(rep, defScope)
	a.begin(rep)
	var name, version []byte
	var dropped uint64
	f := otlpwire.NewFields(raw)
	for f.Next() {
		switch f.Tag {
		case 1<<3 | otlpwire.TagBytes:
			name = f.Bytes
		case 2<<3 | otlpwire.TagBytes:
			version = f.Bytes
		case 3<<3 | otlpwire.TagBytes:
			key, v, err := readKeyValue(f.Bytes)
			if err != nil {
				return 0, err
			}
			if err := s.attribute(OfScope, key, &v); err != nil {
				return 0, err
			}
		case 4<<3 | otlpwire.TagVarint:
			dropped = f.Number
		}
	}
	a.end(defScope)
	s.dropped(ScopeDropped, dropped)
	return scopeHash(s.column(ScopeName, name), s.column(ScopeVersion, version), a.sum, uint64(int32(dropped))), f.Err()
}
