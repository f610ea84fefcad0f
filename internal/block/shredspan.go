package block

import "appliance/internal/otlpwire"

// span writes a span, of which head has what was needed before.
func (s *shredder) span(t *trace, head *spanHead, rep uint8) error {
	c := s.columns
	c.spans.add(rep, defSpan)
	eventAttrs, linkAttrs := &c.attrs[OfEvent], &c.attrs[OfLink]
	s.events, s.links, s.eventHashes, s.linkHashes = 0, 0, 0, 0
	if head.pattern != nil {
		if err := s.attributes(head, rep, s.words); err != nil {
			return err
		}
	} else if err := s.wireAttributes(head, rep); err != nil {
		return err
	}
	if head.lists {
		if err := s.lists(head, rep); err != nil {
			return err
		}
	}
	if s.events == 0 {
		c.events.add(rep, defSpan)
		eventAttrs.begin(rep)
		eventAttrs.end(defSpan)
	}
	if s.links == 0 {
		c.links.add(rep, defSpan)
		linkAttrs.begin(rep)
		linkAttrs.end(defSpan)
	}
	if head.flags {
		s.lost.Flags++
	}
	if head.unknown {
		s.lost.Unknown++
	}
	s.fields(t, head)
	return nil
}

// wireAttributes writes the attributes of a span as it is on the wire.
func (s *shredder) wireAttributes(head *spanHead, rep uint8) error {
	attrs := &s.columns.attrs[OfSpan]
	attrs.begin(rep)
	s.has = [len(spanSpecials)]bool{}
	f := otlpwire.NewFields(head.attrs)
	for f.Next() {
		if f.Tag == 9<<3|otlpwire.TagBytes {
			if err := s.spanAttribute(f.Bytes); err != nil {
				return err
			}
		}
	}
	if err := f.Err(); err != nil {
		return err
	}
	s.spanSpecials(attrs)
	attrs.end(defSpan)
	return nil
}

// lists writes the events and links of a span.
func (s *shredder) lists(head *spanHead, rep uint8) error {
	f := otlpwire.NewFields(head.raw)
	for f.Next() {
		var err error
		switch f.Tag {
		case 11<<3 | otlpwire.TagBytes:
			err = s.event(f.Bytes, head.start, rep)
		case 13<<3 | otlpwire.TagBytes:
			err = s.link(f.Bytes, rep)
		}
		if err != nil {
			return err
		}
	}
	return f.Err()
}

// fields writes what a span has once, and adds its hash to the digest.
func (s *shredder) fields(t *trace, head *spanHead) {
	by := &s.columns.by
	by[SpanID].text(head.id)
	by[SpanParentSpanID].text(head.parent)
	by[SpanParent].int(int64(head.nested.parent))
	by[SpanLeft].int(int64(head.nested.left))
	by[SpanRight].int(int64(head.nested.right))
	name := s.name(head)
	by[SpanKind].int(int64(head.kind))
	by[SpanTraceState].text(head.state)
	by[SpanStart].int(int64(head.start))
	by[SpanDuration].int(int64(head.end - head.start))
	by[SpanStatusCode].int(int64(head.status))
	by[SpanStatusMessage].text(head.message)
	by[SpanDropped].int(int64(head.dropped[0]))
	by[SpanDroppedEvents].int(int64(head.dropped[1]))
	by[SpanDroppedLinks].int(int64(head.dropped[2]))
	var hash uint64
	if head.pattern != nil {
		hash = placedHash(head.content, t.resourceHash, t.scopeHash)
	} else {
		hash = s.wireHash(t, head, name)
	}
	s.digest.add(hash)
	for range head.copies {
		s.removed.add(hash)
	}
}

// name writes the name of a span, and returns its hash if that is not known.
func (s *shredder) name(head *spanHead) uint64 {
	column := s.columns.by[SpanName]
	if head.nameWord == 0 {
		return column.word(head.name)
	}
	column.ids = push(column.mem, column.ids, column.place(head.nameWord-1, s.words))
	return 0
}

// wireHash is the hash of a span as it is on the wire.
func (s *shredder) wireHash(t *trace, head *spanHead, name uint64) uint64 {
	h := spanHash{
		id: textHash(head.id), parent: textHash(head.parent), state: textHash(head.state), name: name,
		kind: uint64(head.kind), start: head.start, duration: head.end - head.start,
		status: uint64(head.status), message: textHash(head.message), attrs: s.columns.attrs[OfSpan].sum,
		dropped: [3]uint64{uint64(head.dropped[0]), uint64(head.dropped[1]), uint64(head.dropped[2])},
		events:  s.eventHashes, links: s.linkHashes, resource: t.resourceHash, scope: t.scopeHash,
	}
	return h.sum(t.hash)
}

// spanAttribute writes an attribute, or keeps it for a column of its own.
func (s *shredder) spanAttribute(message []byte) error {
	key, v, err := readKeyValue(message)
	if err != nil {
		return err
	}
	special := -1
	switch {
	case v.kind == anyText && string(key) == spanSpecials[0].key:
		special, s.method = 0, v.bytes
	case v.kind == anyText && string(key) == spanSpecials[1].key:
		special, s.url = 1, v.bytes
	case v.kind == anyInt && string(key) == spanSpecials[2].key:
		special, s.status = 2, v.number
	default:
		return s.attribute(OfSpan, key, &v)
	}
	if s.has[special] {
		s.lost.Attributes++
	}
	s.has[special] = true
	return nil
}

// spanSpecials writes the attributes that have columns of their own.
func (s *shredder) spanSpecials(attrs *attrColumns) {
	for i, has := range s.has {
		if !has {
			continue
		}
		column := s.columns.by[spanSpecials[i].role]
		column.present()
		h := fold(hashAttribute, textHash([]byte(spanSpecials[i].key)))
		switch i {
		case 0:
			h = foldValue(h, valueText, column.word(s.method))
		case 1:
			h = foldValue(h, valueText, column.word(s.url))
		default:
			column.int(s.status)
			h = foldValue(h, valueInt, uint64(s.status))
		}
		attrs.sum += h
	}
}

func (s *shredder) event(message []byte, start uint64, spanRep uint8) error {
	rep := spanRep
	if s.events > 0 {
		rep = repEvent
	}
	c := s.columns
	c.events.add(rep, defEvent)
	attrs := &c.attrs[OfEvent]
	attrs.begin(rep)
	var time, dropped uint64
	var name []byte
	f := otlpwire.NewFields(message)
	for f.Next() {
		switch f.Tag {
		case 1<<3 | otlpwire.TagFixed64:
			time = f.Number
		case 2<<3 | otlpwire.TagBytes:
			name = f.Bytes
		case 3<<3 | otlpwire.TagBytes:
			if err := s.ownedAttribute(OfEvent, f.Bytes); err != nil {
				return err
			}
		case 4<<3 | otlpwire.TagVarint:
			dropped = f.Number
		}
	}
	attrs.end(defEvent)
	c.by[EventTime].int(int64(time - start))
	c.by[EventDropped].int(int64(int32(dropped)))
	hash := eventHash(time-start, c.by[EventName].word(name), attrs.sum, uint64(int32(dropped)))
	s.events, s.eventHashes = s.events+1, fold(s.eventHashes, hash)
	return f.Err()
}

func (s *shredder) link(message []byte, spanRep uint8) error {
	rep := spanRep
	if s.links > 0 {
		rep = repEvent
	}
	c := s.columns
	c.links.add(rep, defEvent)
	attrs := &c.attrs[OfLink]
	attrs.begin(rep)
	var traceID, spanID, state []byte
	var dropped, flags uint64
	f := otlpwire.NewFields(message)
	for f.Next() {
		switch f.Tag {
		case 1<<3 | otlpwire.TagBytes:
			traceID = f.Bytes
		case 2<<3 | otlpwire.TagBytes:
			spanID = f.Bytes
		case 3<<3 | otlpwire.TagBytes:
			state = f.Bytes
		case 4<<3 | otlpwire.TagBytes:
			if err := s.ownedAttribute(OfLink, f.Bytes); err != nil {
				return err
			}
		case 5<<3 | otlpwire.TagVarint:
			dropped = f.Number
		case 6<<3 | otlpwire.TagFixed32:
			flags = f.Number
		}
	}
	attrs.end(defEvent)
	if flags != 0 {
		s.lost.LinkFlags++
	}
	c.by[LinkTraceID].text(traceID)
	c.by[LinkSpanID].text(spanID)
	c.by[LinkTraceState].text(state)
	c.by[LinkDropped].int(int64(int32(dropped)))
	hash := linkHash(textHash(traceID), textHash(spanID), textHash(state), attrs.sum, uint64(int32(dropped)))
	s.links, s.linkHashes = s.links+1, fold(s.linkHashes, hash)
	return f.Err()
}

func (s *shredder) ownedAttribute(o Owner, message []byte) error {
	key, v, err := readKeyValue(message)
	if err != nil {
		return err
	}
	return s.attribute(o, key, &v)
}
