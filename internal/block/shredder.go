package block

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"

	"appliance/internal/otlpwire"
)

// shredder writes traces into columns.
type shredder struct {
	columns *columns
	hasher  hasher
	digest  Digest
	lost    Lost
	hashed  bool // of the attributes the hash is known already
	json    []byte
	text    [32]byte

	resource [len(resourceSpecials)][]byte // specials of the current resource; nil is absent
	method   []byte                        // specials of the current span
	url      []byte
	status   int64
	has      [len(spanSpecials)]bool

	events, links []byte // hashes of the current span's, one after the other
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

// origin writes a resource or a scope, and returns its hash, which it makes
// once.
func (s *shredder) origin(o *origin, rep uint8, write func(*shredder, []byte, uint8) (uint64, error)) (uint64, error) {
	s.hashed = o.hashed
	hash, err := write(s, o.raw, rep)
	s.hashed = false
	if !o.hashed {
		o.hash, o.hashed = hash, err == nil
	}
	return o.hash, err
}

// writeResource writes a resource. The hash means nothing if it is known already.
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
	by := &s.columns.by
	by[ResourceDropped].int(int64(int32(dropped)))
	by[ResourceService].text(service)
	if len(service) > 0 {
		a.sum += s.hashScalar([]byte(serviceName), &anyValue{kind: anyText, bytes: service})
	}
	for i, v := range s.resource {
		if v != nil {
			column := by[resourceSpecials[i].role]
			column.present()
			column.text(v)
			a.sum += s.hashScalar([]byte(resourceSpecials[i].key), &anyValue{kind: anyText, bytes: v})
		}
	}
	a.end(defResource)
	s.hasher.begin(hashResource)
	s.hasher.number(a.sum)
	s.hasher.number(uint64(int32(dropped)))
	return s.hasher.sum(), f.Err()
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

// writeScope writes a scope. The hash means nothing if it is known already.
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
	by := &s.columns.by
	by[ScopeName].text(name)
	by[ScopeVersion].text(version)
	by[ScopeDropped].int(int64(int32(dropped)))
	h := &s.hasher
	h.begin(hashScope)
	h.text(name)
	h.text(version)
	h.number(a.sum)
	h.number(uint64(int32(dropped)))
	return h.sum(), f.Err()
}

// appendHash appends one of the hashes of a span's events or links.
func appendHash(dst []byte, hash uint64) []byte { return binary.LittleEndian.AppendUint64(dst, hash) }
