package block

import "fmt"

// loader puts frames together to traces.
type loader struct {
	source    frameSource
	opts      *BuilderOptions
	resources origins
	scopes    origins
	compactor *compactor

	trace   *trace
	bytes   int      // of the current trace's frames
	memory  []byte   // its frames, one after the other
	ends    []int    // of the frames, in memory
	inlines []origin // of the trace alone

	pending struct { // the frame that was read ahead
		id    [16]byte
		frame []byte
		ok    bool
	}
	overflow           overflow
	wire               []byte // a span for it
	copies, overflowed int64
}

func newLoader(g *ingest, source frameSource, opts *BuilderOptions) *loader {
	return &loader{
		source: source, opts: opts, compactor: &g.compactor, trace: newTrace(), overflow: overflow{give: opts.Overflow},
		resources: origins{g.resources.origins, newClasses(resourceSpecials[:]), (*classes).resource},
		scopes:    origins{g.scopes.origins, newClasses(nil), (*classes).scope},
	}
}

// origins are the resources or the scopes that frames refer to.
type origins struct {
	known    []origin
	classes  *classes
	classify func(*classes, *origin) error
}

// next returns the next trace, which is valid until next is called again, or nil
// after the last.
func (l *loader) next() (*trace, error) {
	if err := l.read(); err != nil {
		return nil, err
	}
	p := &l.pending
	if !p.ok {
		return nil, nil
	}
	id := p.id
	l.memory, l.ends = l.memory[:0], l.ends[:0]
	l.overflow.reset()
	budget := l.opts.TraceBytes
	for p.ok && p.id == id {
		if cost := len(p.frame) + spanOverhead; len(l.ends) == 0 || cost <= budget {
			l.memory = append(l.memory, p.frame...)
			l.ends = append(l.ends, len(l.memory))
			budget -= cost
		} else if err := l.spillOver(id, p.frame); err != nil {
			return nil, err
		}
		p.ok = false
		if err := l.read(); err != nil {
			return nil, err
		}
	}
	if err := l.overflow.flush(); err != nil {
		return nil, err
	}
	return l.trace, l.load(id)
}

// read reads a frame ahead.
func (l *loader) read() (err error) {
	p := &l.pending
	if !p.ok {
		p.id, p.frame, p.ok, err = l.source.next()
	}
	return err
}

// load takes the frames in memory as the spans of a trace.
func (l *loader) load(id [16]byte) error {
	l.trace.reset(id)
	l.resources.classes.bound()
	l.scopes.classes.bound()
	if need := 2 * len(l.ends); cap(l.inlines) < need {
		l.inlines = make([]origin, 0, need)
	}
	l.inlines = l.inlines[:0]
	if len(l.ends) > 1 {
		l.trace.seen.reset(len(l.ends))
	}
	l.bytes = 0
	start := 0
	for _, end := range l.ends {
		frame := l.memory[start:end:end]
		start = end
		resource, rest, err := l.origin(frame, &l.resources)
		if err != nil {
			return fmt.Errorf("read a resource of trace %x: %w", id, err)
		}
		scope, span, err := l.origin(rest, &l.scopes)
		if err != nil {
			return fmt.Errorf("read a scope of trace %x: %w", id, err)
		}
		if !l.opts.KeepCopies && len(l.ends) > 1 {
			first, err := l.trace.seen.add(l.compactor, frame, span)
			if err != nil {
				return err
			}
			if first >= 0 {
				l.copies++
				l.trace.spans[first].copies++
				continue
			}
		}
		if err := l.trace.add(span, resource, scope, l.compactor); err != nil {
			return err
		}
		head := &l.trace.spans[len(l.trace.spans)-1]
		l.bytes += len(frame) + len(head.state) + len(head.message)
	}
	return nil
}

// origin resolves the reference that a frame begins with, and says which other
// origins it is equal to.
func (l *loader) origin(frame []byte, all *origins) (c *origin, rest []byte, err error) {
	ref, raw, rest := resolve(frame)
	if ref == inline {
		l.inlines = append(l.inlines, origin{raw: raw})
		c = &l.inlines[len(l.inlines)-1]
	} else {
		c = &all.known[ref]
	}
	if c.epoch != all.classes.epoch {
		err = all.classify(all.classes, c)
	}
	return c, rest, err
}

// spillOver gives a span to those that do not fit.
func (l *loader) spillOver(id [16]byte, frame []byte) error {
	if l.opts.Overflow == nil {
		return fmt.Errorf("trace %x takes more than %d bytes, and nothing takes its other spans", id, l.opts.TraceBytes)
	}
	l.overflowed++
	ref, resource, rest := resolve(frame)
	if ref != inline {
		resource = l.resources.known[ref].raw
	}
	ref, scope, span := resolve(rest)
	if ref != inline {
		scope = l.scopes.known[ref].raw
	}
	if compact(span) {
		var err error
		if l.wire, err = l.compactor.appendWire(l.wire[:0], &id, span); err != nil {
			return fmt.Errorf("read a span of trace %x: %w", id, err)
		}
		span = l.wire
	}
	return l.overflow.add(resource, scope, span)
}
