package block

import (
	"fmt"
	"hash/maphash"

	"bytes"

	"appliance/internal/otlpwire"
)

// spanHead is what is known of a span before its trace is written.
type spanHead struct {
	raw             []byte
	resource, scope *origin

	id, parent, state, name, message []byte
	attrs                            []byte // of raw, from the first attribute to the last
	nested                           nested
	start, end                       uint64   // unix nanoseconds
	dropped                          [3]int32 // attributes, events, links
	kind, status                     int32
	next                             int32 // span of the same scope, or -1
	copies                           int32 // that were left out
	// it has events or links, flags, fields that are not known
	lists, flags, unknown bool

	pattern  *pattern // of a compact span, whose values attrs has; else nil
	content  uint64   // its hash without resource and scope
	nameWord uint32   // its name in the vocabulary, plus 1, or 0
}

// scopeGroup is a scope of a resource, with its spans in the order in which
// they came.
type scopeGroup struct {
	scope       *origin
	first, last int32 // spans
	next        int32 // scope of the same resource, or -1
}

// resourceGroup is a resource of a trace, with its scopes in the order in which
// they came.
type resourceGroup struct {
	resource      *origin
	first, last   int32 // scopes
	spans, errors int
}

// serviceStats are the counts of a trace's spans of one service.
type serviceStats struct {
	service       []byte
	spans, errors int
}

// trace is one trace on its way into the columns. It is used again for the next.
type trace struct {
	id    [16]byte
	spans []spanHead

	resources  []resourceGroup
	scopes     []scopeGroup
	byResource map[int32]int32
	byScope    map[uint64]int32
	seen       frameSet
	nesting    nesting
	order      []int32 // spans in the order of the block

	start, end            uint64
	rootService, rootName []byte
	stats                 []serviceStats
	byService             map[string]int

	// Hashes while it is written: its own, and of the current resource and scope.
	hash, resourceHash, scopeHash uint64
}

func newTrace() *trace {
	return &trace{
		byResource: make(map[int32]int32), byScope: make(map[uint64]int32), byService: make(map[string]int),
		seen: frameSet{seed: maphash.MakeSeed()}, nesting: nesting{seed: maphash.MakeSeed()},
	}
}

// reset begins a trace.
func (t *trace) reset(id [16]byte) {
	t.id = id
	t.spans, t.resources, t.scopes, t.order, t.stats = t.spans[:0], t.resources[:0], t.scopes[:0], t.order[:0], t.stats[:0]
	clear(t.byResource)
	clear(t.byScope)
	clear(t.byService)
}

// add adds a span of the trace. All slices stay until the trace is written.
func (t *trace) add(raw []byte, resource, scope *origin, c *compactor) error {
	t.spans = append(t.spans, spanHead{raw: raw, resource: resource, scope: scope, next: -1})
	i := int32(len(t.spans) - 1)
	if err := t.spans[i].read(c); err != nil {
		return fmt.Errorf("read a span of %d bytes of trace %x: %w", len(raw), t.id, err)
	}
	key := uint64(uint32(resource.class))<<32 | uint64(uint32(scope.class))
	at, ok := t.byScope[key]
	if !ok {
		at = t.group(resource, scope)
		t.byScope[key] = at
	}
	g := &t.scopes[at]
	if g.first < 0 {
		g.first = i
	} else {
		t.spans[g.last].next = i
	}
	g.last = i
	return nil
}

// group adds a scope to the resource, which may be new too.
func (t *trace) group(resource, scope *origin) int32 {
	at := int32(len(t.scopes))
	t.scopes = append(t.scopes, scopeGroup{scope: scope, first: -1, next: -1})
	r, ok := t.byResource[resource.class]
	if !ok {
		r = int32(len(t.resources))
		t.resources = append(t.resources, resourceGroup{resource: resource, first: at})
		t.byResource[resource.class] = r
	} else {
		t.scopes[t.resources[r].last].next = at
	}
	t.resources[r].last = at
	return at
}

// read reads everything but attributes, events and links. A parent's id of zeros
// is none, as in the protocol.
func (s *spanHead) read(c *compactor) error {
	if compact(s.raw) {
		return s.readCompact(c)
	}
	from, to := 0, 0 // of the attributes
	f := otlpwire.NewFields(s.raw)
	for at := 0; f.Next(); at = f.Offset() {
		switch f.Tag {
		case 9<<3 | otlpwire.TagBytes:
			if to == 0 {
				from = at
			}
			to = f.Offset()
		case 2<<3 | otlpwire.TagBytes:
			s.id = f.Bytes
		case 3<<3 | otlpwire.TagBytes:
			s.state = f.Bytes
		case 4<<3 | otlpwire.TagBytes:
			s.parent = f.Bytes
		case 5<<3 | otlpwire.TagBytes:
			s.name = f.Bytes
		case 6<<3 | otlpwire.TagVarint:
			s.kind = int32(f.Number)
		case 7<<3 | otlpwire.TagFixed64:
			s.start = f.Number
		case 8<<3 | otlpwire.TagFixed64:
			s.end = f.Number
		case 10<<3 | otlpwire.TagVarint:
			s.dropped[0] = int32(f.Number)
		case 12<<3 | otlpwire.TagVarint:
			s.dropped[1] = int32(f.Number)
		case 14<<3 | otlpwire.TagVarint:
			s.dropped[2] = int32(f.Number)
		case 11<<3 | otlpwire.TagBytes, 13<<3 | otlpwire.TagBytes:
			s.lists = true
		case 15<<3 | otlpwire.TagBytes:
			if err := s.readStatus(f.Bytes); err != nil {
				return err
			}
		case 16<<3 | otlpwire.TagFixed32:
			s.flags = f.Number != 0
		default:
			s.unknown = s.unknown || f.Tag>>3 > 16
		}
	}
	s.attrs = s.raw[from:to]
	if len(bytes.Trim(s.parent, "\x00")) == 0 {
		s.parent = nil
	}
	return f.Err()
}

func (s *spanHead) readStatus(message []byte) error {
	f := otlpwire.NewFields(message)
	for f.Next() {
		switch f.Tag {
		case 2<<3 | otlpwire.TagBytes:
			s.message = f.Bytes
		case 3<<3 | otlpwire.TagVarint:
			s.status = int32(f.Number)
		}
	}
	return f.Err()
}

const (
	kindServer  = 2
	kindClient  = 3
	statusError = 2
)

// finish derives what a block has beside the spans: their order, the bounds,
// the root, the services' counts and the nested sets.
func (t *trace) finish() {
	t.start, t.end, t.rootService, t.rootName = 0, 0, nil, nil
	for i := range t.resources {
		r := &t.resources[i]
		for at := r.first; at >= 0; at = t.scopes[at].next {
			for n := t.scopes[at].first; n >= 0; n = t.spans[n].next {
				t.order = append(t.order, n)
				r.spans++
				if t.spans[n].status == statusError {
					r.errors++
				}
			}
		}
		t.count(r)
	}
	for i := range t.spans {
		t.bound(&t.spans[i])
	}
	t.nesting.number(t.spans, t.order)
}

// bound takes a span into account for what a trace has once, as Tempo does, in
// the order in which the spans came. A start of 0 is unknown, so the next one
// counts whatever was before. Of several roots the last one counts.
func (t *trace) bound(s *spanHead) {
	if t.start == 0 || s.start < t.start {
		t.start = s.start
	}
	t.end = max(t.end, s.end)
	if len(s.parent) == 0 {
		t.rootService, t.rootName = s.resource.firstService, s.name
	}
}

// count adds a resource's spans to those of its service.
func (t *trace) count(r *resourceGroup) {
	i, ok := t.byService[string(r.resource.service)]
	if !ok {
		i = len(t.stats)
		t.stats = append(t.stats, serviceStats{service: r.resource.service})
		t.byService[string(r.resource.service)] = i
	}
	t.stats[i].spans += r.spans
	t.stats[i].errors += r.errors
}

// write writes the trace as a row.
func (t *trace) write(s *shredder) error {
	s.row(t)
	t.hash = traceHash(s.key, &t.id)
	rep := uint8(0)
	for i := range t.resources {
		r := &t.resources[i]
		var err error
		if t.resourceHash, err = s.origin(OfResource, r.resource, rep); err != nil {
			return fmt.Errorf("read a resource of %d bytes of trace %x: %w", len(r.resource.raw), t.id, err)
		}
		for at := r.first; at >= 0; at = t.scopes[at].next {
			if err := t.writeScope(s, &t.scopes[at], rep); err != nil {
				return err
			}
			rep = repScope
		}
		rep = repResource
	}
	return nil
}

func (t *trace) writeScope(s *shredder, g *scopeGroup, rep uint8) (err error) {
	if t.scopeHash, err = s.origin(OfScope, g.scope, rep); err != nil {
		return fmt.Errorf("read a scope of %d bytes of trace %x: %w", len(g.scope.raw), t.id, err)
	}
	for n := g.first; n >= 0; n = t.spans[n].next {
		if err := s.span(t, &t.spans[n], rep); err != nil {
			return fmt.Errorf("read a span of %d bytes of trace %x: %w", len(t.spans[n].raw), t.id, err)
		}
		rep = repSpan
	}
	return nil
}
