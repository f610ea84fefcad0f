package otlpwire

import "sync"

const (
	requestFields       fields = 1 << 1
	resourceSpansFields fields = 1<<1 | 1<<2 | 1<<3
	scopeSpansFields    fields = 1<<1 | 1<<2 | 1<<3
	resourceFields      fields = 1<<1 | 1<<2 | 1<<3
	entityRefFields     fields = 1<<1 | 1<<2 | 1<<3 | 1<<4
	scopeFields         fields = 1<<1 | 1<<2 | 1<<3 | 1<<4

	// deprecatedScopeSpans is field 1000 of ResourceSpans, which pdata still
	// reads: ScopeSpans by their name of before 2022.
	deprecatedScopeSpans = 1000<<3 | wireBytes
)

// scanner goes through one request. It is pooled: the visitor makes it escape.
type scanner struct {
	values
	splice
	limits Limits
	counts Counts

	visit func(*Span) Verdict // Filter
	watch func(*Span)         // Walk

	containers      [2]int  // ResourceSpans, ScopeSpans
	service         []byte  // of the current resource
	resourceInvalid Invalid // of the current ResourceSpans
	invalid         Invalid // of the current ScopeSpans, or else its ResourceSpans

	span Span
	// Of the current span: how many tracestate fields, and the bounds of the last, tag included.
	states             int
	stateFrom, stateTo int
	badTraceID         bool // also when a later occurrence is good: pdata refuses it
	badSpanID          bool
	badParentID        bool
	badLink            bool
}

var scanners = sync.Pool{New: func() any { return new(scanner) }}

func newScanner(l *Limits, body []byte) *scanner {
	s := scanners.Get().(*scanner)
	s.limits = l.withDefaults()
	s.b = body
	s.maxDepth = s.limits.MaxDepth
	s.maxAttributes = s.limits.MaxAttributes
	return s
}

// release forgets the request, so that the pool does not hold its memory.
func (s *scanner) release() {
	*s = scanner{}
	scanners.Put(s)
}

func (s *scanner) request() bool {
	for pos, end := 0, len(s.b); pos < end; {
		tag, from, to := s.field(pos, end)
		if to < 0 {
			return false
		}
		if tag == 1<<3|wireBytes {
			if !s.resourceSpans(pos, from, to) {
				return false
			}
		} else if !s.unknown(tag, requestFields, pos) {
			return false
		}
		pos = to
	}
	return true
}

// container counts a ResourceSpans (0) or a ScopeSpans (1): empty ones are two
// bytes each, and far more in the memory of whoever decodes them.
func (s *scanner) container(kind, at int) bool {
	s.containers[kind]++
	if s.containers[kind] > s.limits.MaxSpans {
		s.err = &scanError{kind: ErrTooMany, what: manyContainers, offset: at, limit: s.limits.MaxSpans}
		return false
	}
	return true
}

// resourceSpans first looks for everything that concerns all of its spans,
// stepping over these, then scans them: the resource may come last, in pieces.
func (s *scanner) resourceSpans(start, from, end int) bool {
	if !s.container(0, start) || !s.resourceSpansHead(from, end) {
		return false
	}
	s.resources = frame{start: start, from: from, end: end, tag: 1<<3 | wireBytes}
	for pos := from; pos < end; {
		tag, from, to := s.field(pos, end)
		if tag == 2<<3|wireBytes || tag == deprecatedScopeSpans {
			if !s.scopeSpans(tag, pos, from, to) {
				return false
			}
		}
		pos = to
	}
	s.close(&s.resources)
	return true
}

func (s *scanner) resourceSpansHead(pos, end int) bool {
	s.badText = false
	s.service = nil
	named := false // the first service.name counts, as everywhere
	for pos < end {
		tag, from, to := s.field(pos, end)
		if to < 0 {
			return false
		}
		switch tag {
		case 1<<3 | wireBytes:
			if !s.resource(from, to, &named) {
				return false
			}
		case 2<<3 | wireBytes, deprecatedScopeSpans:
		case 3<<3 | wireBytes:
			s.text(from, to)
		default:
			if tag>>3 == deprecatedScopeSpans>>3 {
				s.fail(wrongType, pos)
				return false
			}
			if !s.unknown(tag, resourceSpansFields, pos) {
				return false
			}
		}
		pos = to
	}
	s.resourceInvalid = 0
	if s.badText {
		s.resourceInvalid = InvalidResource
	}
	return true
}

func (s *scanner) resource(pos, end int, named *bool) bool {
	for pos < end {
		tag, from, to := s.field(pos, end)
		if to < 0 {
			return false
		}
		switch tag {
		case 1<<3 | wireBytes:
			keyFrom, keyTo, value, ok := s.keyValue(from, to, attributeDepth)
			if !ok {
				return false
			}
			if !*named && string(s.b[keyFrom:keyTo]) == "service.name" {
				*named = true
				if value.kind == textValue {
					s.service = s.b[value.from:value.to:value.to]
				}
			}
		case 2<<3 | wireVarint:
		case 3<<3 | wireBytes:
			if !s.entityRef(from, to) {
				return false
			}
		default:
			if !s.unknown(tag, resourceFields, pos) {
				return false
			}
		}
		pos = to
	}
	return true
}

// entityRef scans an EntityRef: schema URL, type, and names of attributes.
func (s *scanner) entityRef(pos, end int) bool {
	if !s.count(pos) {
		return false
	}
	for pos < end {
		tag, from, to := s.field(pos, end)
		if to < 0 {
			return false
		}
		switch tag {
		case 1<<3 | wireBytes, 2<<3 | wireBytes:
			s.text(from, to)
		case 3<<3 | wireBytes, 4<<3 | wireBytes:
			if !s.count(pos) {
				return false
			}
			s.text(from, to)
		default:
			if !s.unknown(tag, entityRefFields, pos) {
				return false
			}
		}
		pos = to
	}
	return true
}

func (s *scanner) scopeSpans(tag uint32, start, from, end int) bool {
	if !s.container(1, start) || !s.scopeSpansHead(from, end) {
		return false
	}
	s.scopes = frame{start: start, from: from, end: end, tag: 2<<3 | wireBytes}
	if tag == deprecatedScopeSpans {
		// which renames it: pdata reads the old name only where there is no new one
		s.open(&s.scopes)
	}
	for pos := from; pos < end; {
		tag, from, to := s.field(pos, end)
		if tag == 2<<3|wireBytes && !s.oneSpan(pos, from, to) {
			return false
		}
		pos = to
	}
	s.resources.spans += s.scopes.spans
	s.resources.kept += s.scopes.kept
	s.close(&s.scopes)
	return true
}

func (s *scanner) scopeSpansHead(pos, end int) bool {
	s.badText = false
	spans := s.counts.Spans
	for pos < end {
		tag, from, to := s.field(pos, end)
		if to < 0 {
			return false
		}
		switch tag {
		case 1<<3 | wireBytes:
			if !s.scope(from, to) {
				return false
			}
		case 2<<3 | wireBytes:
			if spans++; spans > s.limits.MaxSpans {
				s.err = &scanError{kind: ErrTooMany, what: manySpans, offset: pos, limit: s.limits.MaxSpans}
				return false
			}
		case 3<<3 | wireBytes:
			s.text(from, to)
		default:
			if !s.unknown(tag, scopeSpansFields, pos) {
				return false
			}
		}
		pos = to
	}
	s.invalid = s.resourceInvalid
	if s.invalid == 0 && s.badText {
		s.invalid = InvalidScope
	}
	return true
}

func (s *scanner) scope(pos, end int) bool {
	for pos < end {
		tag, from, to := s.field(pos, end)
		if to < 0 {
			return false
		}
		switch tag {
		case 1<<3 | wireBytes, 2<<3 | wireBytes:
			s.text(from, to)
		case 3<<3 | wireBytes:
			if !s.attribute(from, to) {
				return false
			}
		case 4<<3 | wireVarint:
		default:
			if !s.unknown(tag, scopeFields, pos) {
				return false
			}
		}
		pos = to
	}
	return true
}

// oneSpan scans a span, asks the visitor and does what it says.
func (s *scanner) oneSpan(start, from, end int) bool {
	if !s.scanSpan(from, end) {
		return false
	}
	sp := &s.span
	sp.Invalid = s.spanInvalid()
	index := s.counts.Spans
	s.counts.Spans++
	s.scopes.spans++
	if s.watch != nil {
		s.watch(sp)
	}
	if sp.Invalid != 0 {
		if s.counts.Invalid == 0 {
			s.counts.FirstInvalid, s.counts.FirstInvalidIndex = sp.Invalid, index
		}
		s.counts.Invalid++
		s.drop(start, end)
		return true
	}
	verdict := Verdict{Keep: true}
	if s.visit != nil {
		verdict = s.visit(sp)
	}
	if !verdict.Keep {
		s.counts.Dropped++
		s.drop(start, end)
		return true
	}
	s.counts.Kept++
	s.scopes.kept++
	if verdict.Rewrite {
		s.rewrite(start, from, end, verdict.TraceState)
	}
	return true
}
