package tail

import (
	"fmt"

	"appliance/internal/otlpwire"
	"appliance/internal/spool"
)

// Sift is what is handed out of a record: spool.Sieve.
func (l *Line) Sift(e spool.Entry) (out spool.Entry, err error) {
	name, ok := l.o.Spool.SegmentName(e.Segment)
	if !ok {
		return e, nil // it is released
	}
	var o *outcome
	var of []ruled
	if err := l.known.ask(name, func(s *segment) { o, of = s.find(e.Offset), s.outcomes.list }); err != nil {
		return e, err
	}
	switch {
	case o == nil:
		return e, nil
	case o.kept() == 0:
		e.Payload, e.Spans = e.Payload[:0], 0
		return e, nil
	}
	run, in := 0, 0
	var state []byte
	payload, n, err := wire.Filter(nil, e.Payload, func(s *otlpwire.Span) (v otlpwire.Verdict) {
		for run < len(o.runs) && in == o.runs[run].spans {
			run, in = run+1, 0
		}
		if run == len(o.runs) {
			return otlpwire.Verdict{Keep: true}
		}
		in++
		switch t := unpack(of[o.runs[run].outcome].threshold); t {
		case keepAll:
			return otlpwire.Verdict{Keep: true}
		case keepNone:
			return otlpwire.Verdict{}
		default:
			v, state = l.thin(t, s, state)
			return v
		}
	})
	if err != nil {
		return e, fmt.Errorf("leave spans out of a record: %w", err)
	}
	if int64(n.Kept) != o.kept() {
		return e, fmt.Errorf("leave spans out of a record: %d are left, and the verdicts say %d", n.Kept, o.kept())
	}
	e.Payload, e.Spans = payload, n.Kept
	return e, nil
}

// Left is how many spans of a record are left out: spool.Sieve.
func (l *Line) Left(pos spool.Position) (n int64, err error) {
	name, ok := l.o.Spool.SegmentName(pos.Segment)
	if !ok {
		return 0, nil
	}
	err = l.known.ask(name, func(s *segment) {
		if o := s.find(pos.Offset); o != nil {
			n = o.spans - o.kept()
		}
	})
	return n, err
}

// Undecided is what came and is not decided: spool.Sieve.
func (l *Line) Undecided() spool.Counts { return l.counts.undecided() }
