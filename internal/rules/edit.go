package rules

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"sync"

	"appliance/internal/otlpwire"
)

// fate is what becomes of a part of a message.
type fate uint8

const (
	same    fate = iota
	edited       // what it became was appended to out
	dropped      // it is left out
)

// level is a kind of message, or of a field that is one's.
type level uint8

const (
	none level = iota
	request
	resourceSpans
	resource
	scopeSpans
	scope
	span
	event
	link
	status
	attribute
	text
	parent
	levels
)

// schema names what of a message can be edited, by the number of the field.
var schema = [levels][17]level{
	request:       {1: resourceSpans},
	resourceSpans: {1: resource, 2: scopeSpans, 3: text},
	resource:      {1: attribute},
	scopeSpans:    {1: scope, 2: span, 3: text},
	scope:         {1: text, 2: text, 3: attribute},
	span:          {3: text, 4: parent, 5: text, 9: attribute, 11: event, 13: link, 15: status},
	event:         {2: text, 3: attribute},
	link:          {3: text, 4: attribute},
	status:        {2: text},
}

// deprecatedScopeSpans is field 1000 of ResourceSpans, see otlpwire.
const deprecatedScopeSpans = 1000

// editor applies a Set to one request. It is pooled.
type editor struct {
	set    *Set
	out    []byte
	counts *Counts
	err    error
	watch  func(Change)

	active    uint64 // rules that concern what is being edited
	resource  uint64 // those of them that hold for the resource
	facts     facts
	spans     spanFates
	ordinal   int // of the next span
	kept      int // spans so far
	spanName  []byte
	newParent []byte
	reparent  bool    // the span's parent becomes newParent
	hashes    *hashes // nil before the first one; empty in the pool
	hashed    bool    // there are some
}

// Change is one thing that a rule did, for those who explain.
type Change struct {
	Rule    int
	Dropped bool   // the whole span
	Span    []byte // the name of the span, nil for what is not of a span
	Key     []byte // of the attribute, nil for a text that is not one
}

var editors = sync.Pool{New: func() any { return new(editor) }}

// Apply appends what the rules leave of body (an ExportTraceServiceRequest) to
// dst, which must not overlap body, and adds to counts. Where no rule concerns
// it, changed is false and out is body itself. watch, if not nil, is told of
// each change. An error refuses the whole request.
func (s *Set) Apply(dst, body []byte, counts *Counts, watch func(Change)) (out []byte, changed bool, err error) {
	e := editors.Get().(*editor)
	defer func() {
		if e.hashed {
			*e.hashes = hashes{}
		}
		*e = editor{spans: e.spans.reset(), hashes: e.hashes}
		editors.Put(e)
	}()
	e.set, e.out, e.counts, e.watch = s, dst, counts, watch
	e.active = s.always
	if s.drops != 0 || s.traefik >= 0 {
		if err := e.judge(body); err != nil {
			return nil, false, err
		}
	}
	done := e.message(request, body)
	switch {
	case e.err != nil:
		return nil, false, e.err
	case done == same:
		return body, false, nil
	}
	return e.out, true, nil
}

// message edits what of a message can be edited.
func (e *editor) message(of level, m []byte) fate {
	begin := len(e.out)
	next, changed := 0, false // the first byte that is neither copied nor left out
	children := &schema[of]
	skips := of == span && !e.reparent
	for pos := 0; ; {
		if skips {
			var found uint64
			if pos, found = e.set.skip(m, pos, e.active); found&(e.set.dropping|e.set.hashing) != 0 {
				e.out = append(e.out, m[next:pos]...)
				pos = e.plain(m, pos, found)
				next, changed = pos, true
				continue
			}
		}
		if pos == len(m) {
			break
		}
		start := pos
		tag, from, to := plainField(m, pos)
		if tag == 0 {
			if tag, from, to, e.err = anyField(m, pos); e.err != nil {
				return same
			}
		}
		pos = to
		if tag&7 != otlpwire.TagBytes {
			continue
		}
		child := none
		if n := tag >> 3; n < uint32(len(children)) {
			child = children[n]
		} else if n == deprecatedScopeSpans && of == resourceSpans {
			child = scopeSpans
		}
		if child == none || child == attribute && e.set.ignores(m[from:to], e.active) {
			continue
		}
		// What is before them is copied before them, and not moved there later on:
		// of spans, once one is another.
		large := child == resourceSpans || child == scopeSpans || child == span && changed
		if large {
			e.out = append(e.out, m[next:from]...)
			next = from
		}
		mark := len(e.out)
		done := e.part(child, m[from:to:to])
		if e.err != nil {
			return same
		}
		switch {
		case done == edited && large:
			e.patch(mark, from-start, tag)
		case done == edited:
			e.insert(mark, m[next:start], tag)
		case done == dropped && large:
			e.out = e.out[:mark-(from-start)]
		case done == dropped:
			e.out = append(e.out[:mark], m[next:start]...)
		default:
			continue
		}
		next, changed = to, true
	}
	if !changed {
		e.out = e.out[:begin]
		return same
	}
	e.out = append(e.out, m[next:]...)
	return edited
}

// plain edits an attribute at a place of a span, of less than 128 bytes, for which
// these rules were found, one of which drops or hashes. It returns where the
// attribute ends.
func (e *editor) plain(m []byte, start int, found uint64) (end int) {
	end = start + 2 + int(m[start+1])
	kv := m[start+2 : end]
	at, _ := plainKeyValue(kv)
	key := kv[at.key:at.keyEnd]
	if drop := found & e.set.dropping; drop != 0 {
		e.changed(trailingZeros(drop), key)
		return end
	}
	e.changed(trailingZeros(found&e.set.hashing), key)
	e.out = append(e.out, m[start], 0)
	mark := len(e.out)
	e.replacePlain(kv, at)
	e.patch(mark, 2, uint32(m[start]))
	return end
}

// patch corrects the head, of some bytes, of a field whose contents, which stand
// at mark, are others now.
func (e *editor) patch(mark, head int, tag uint32) {
	n := len(e.out) - mark
	switch { // nearly always the length takes as many bytes as before
	case head == 2 && n < 0x80:
		e.out[mark-1] = byte(n)
		return
	case head == 3 && tag < 0x80 && n >= 0x80 && n < 1<<14:
		e.out[mark-2], e.out[mark-1] = byte(n)|0x80, byte(n>>7)
		return
	}
	var bytes [2 * binary.MaxVarintLen64]byte
	size := binary.PutUvarint(bytes[:], uint64(tag))
	size += binary.PutUvarint(bytes[size:], uint64(n))
	switch {
	case size < head:
		e.out = append(e.out[:mark-head+size], e.out[mark:]...)
	case size > head:
		e.out = append(e.out, bytes[:size-head]...)
		copy(e.out[mark+size-head:], e.out[mark:mark+n])
	}
	copy(e.out[mark-head:], bytes[:size])
}

// plainField reads what nearly all fields are: of one byte's number and length,
// or a number of fixed size. For others its tag is 0.
func plainField(m []byte, pos int) (tag uint32, from, to int) {
	left := len(m) - pos
	if left < 2 || m[pos] < 8 || m[pos] >= 0x80 {
		return 0, 0, 0
	}
	tag = uint32(m[pos])
	switch tag & 7 {
	case otlpwire.TagBytes:
		if n := int(m[pos+1]); n < 0x80 && n <= left-2 {
			return tag, pos + 2, pos + 2 + n
		}
		if left > 3 && m[pos+2] < 0x80 {
			if n := int(m[pos+1]&0x7f) | int(m[pos+2])<<7; n <= left-3 {
				return tag, pos + 3, pos + 3 + n
			}
		}
	case otlpwire.TagVarint:
		if m[pos+1] < 0x80 {
			return tag, pos + 1, pos + 2
		}
	case otlpwire.TagFixed64:
		if left >= 9 {
			return tag, pos + 1, pos + 9
		}
	}
	return 0, 0, 0
}

// anyField reads any field, of which from to to is the value where it has a length.
func anyField(m []byte, pos int) (tag uint32, from, to int, err error) {
	f := otlpwire.NewFields(m[pos:])
	if !f.Next() {
		return 0, 0, 0, f.Err()
	}
	return f.Tag, pos + f.End - len(f.Bytes), pos + f.End, nil
}

// part edits one field.
func (e *editor) part(of level, value []byte) fate {
	switch of {
	case text:
		return e.text(value)
	case attribute:
		return e.attribute(value, 0)
	case parent:
		return e.parent()
	case span:
		return e.span(value)
	case resourceSpans:
		return e.container(of, value, e.set.byResource|e.set.bySpan != 0)
	case scopeSpans:
		return e.container(of, value, false)
	}
	return e.message(of, value)
}

// container edits what holds spans. One that loses all of them is dropped.
func (e *editor) container(of level, value []byte, withFacts bool) fate {
	if withFacts {
		if e.err = e.facts.ofResource(e.set, value); e.err != nil {
			return same
		}
		e.resource = e.set.holding(e.set.byResource, &e.facts)
		e.active = e.set.always | e.resource
	}
	before, kept := e.ordinal, e.kept
	mark := len(e.out)
	done := e.message(of, value)
	if e.ordinal > before && e.kept == kept {
		e.out = e.out[:mark]
		return dropped
	}
	return done
}

func (e *editor) span(value []byte) fate {
	at := e.ordinal
	e.ordinal++
	if e.ordinal > maxSpans {
		e.err = fmt.Errorf("%w: more than %d spans", otlpwire.ErrTooMany, maxSpans)
		return same
	}
	if rule, gone := e.spans.dropped(at); gone {
		e.counts.Dropped[rule]++
		e.counts.any = true
		if e.watch != nil {
			e.watch(Change{Rule: rule, Dropped: true, Span: nameOf(value)})
		}
		return dropped
	}
	e.kept++
	if e.watch != nil {
		e.spanName = nameOf(value)
	}
	if e.set.bySpan != 0 {
		if e.err = e.facts.ofSpan(e.set, value); e.err != nil {
			return same
		}
		e.active = e.set.always | e.resource | e.set.holding(e.set.bySpan, &e.facts)
	}
	e.reparent = false
	if e.spans.any() {
		e.newParent, e.reparent = e.spans.parentOf(value)
	}
	done := e.message(span, value)
	e.active, e.spanName = e.set.always|e.resource, nil
	return done
}

// parent replaces the parent of a span by that of the dropped one.
func (e *editor) parent() fate {
	switch {
	case !e.reparent:
		return same
	case len(e.newParent) == 0:
		return dropped
	}
	e.out = append(e.out, e.newParent...)
	return edited
}

// text edits a string that is not an attribute's.
func (e *editor) text(value []byte) fate {
	if e.set.secrets < 0 {
		return same
	}
	out, found := mask(e.out, value)
	e.out = out
	if !found {
		return same
	}
	e.changed(e.set.secrets, nil)
	return edited
}

func (e *editor) changed(rule int, key []byte) {
	e.counts.Changed[rule]++
	e.counts.any = true
	if e.watch != nil {
		e.watch(Change{Rule: rule, Span: e.spanName, Key: key})
	}
}

// insert puts what is pending, and the head of a field, before the contents of
// the field, which stand at mark.
func (e *editor) insert(mark int, pending []byte, tag uint32) {
	n := len(e.out) - mark
	var head [2 * binary.MaxVarintLen64]byte
	size := binary.PutUvarint(head[:], uint64(tag))
	size += binary.PutUvarint(head[size:], uint64(n))
	e.out = append(e.out, pending...)
	e.out = append(e.out, head[:size]...)
	copy(e.out[mark+len(pending)+size:], e.out[mark:mark+n])
	copy(e.out[mark:], pending)
	copy(e.out[mark+len(pending):], head[:size])
}

func trailingZeros(b uint64) int { return bits.TrailingZeros64(b) }
