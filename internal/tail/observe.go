package tail

import (
	"time"

	"appliance/internal/spool"
	"appliance/internal/traceql"
)

// observe takes in a record that came.
func (l *Line) observe(e spool.Entry, now time.Time) {
	l.age(now)
	if err := l.makeRoom(e.Spans, now); err != nil {
		l.trouble("verdicts cannot be written; trying again", err)
		// One record more; the spool is full before memory is.
	}
	g := l.groupFor(e, now)
	g.last = e.Position
	g.records++
	g.spans += int64(e.Spans)
	g.bytes += len(e.Payload)
	g.until = e.Time
	tenant := l.tenants.of(e.Tenant)
	var (
		one   traceql.OneSpan
		known key // of the last span
		of    *trace
		late  int64
	)
	err := eachSpan(e.Payload, func(resource, scope, span []byte) {
		if one.Set(resource, scope, span) != nil || len(one.TraceID) != 16 {
			return
		}
		if k := (key{[16]byte(one.TraceID), tenant}); k != known {
			known = k
			of = l.traceOf(k)
		}
		if of == nil {
			late++
			return
		}
		of.see(l.rules, l.values, &one)
	})
	if err != nil {
		l.trouble("a record of the spool is not what the receiver wrote", err)
	}
	g.traces = l.open.next
	l.counts.observed(int64(e.Spans), late)
	l.setOpen()
}

// makeRoom decides on the oldest traces where a record with so many spans, and
// at most as many traces, might bring more than may be open.
func (l *Line) makeRoom(spans int, now time.Time) error {
	for l.open.len()+spans > l.o.MaxTraces {
		if err := l.save(); err != nil {
			return err
		}
		if len(l.groups) == 0 {
			return nil
		}
		n := l.groups[0].traces - l.open.first
		err := l.decide(1, now, decidedEarly)
		l.counts.addEarly(int64(n))
		if err != nil {
			return err
		}
	}
	return nil
}

// traceOf is the open trace of a key; nil where there is a verdict already that
// is not too old.
func (l *Line) traceOf(k key) *trace {
	if t := l.open.find(k); t != nil {
		return t
	}
	if n, ok := l.late.number(k); ok && n >= l.fresh {
		return nil
	}
	return l.open.add(func(t *trace) { t.id, t.tenant = k.id, k.tenant })
}

// groupFor is the group to which a record belongs.
func (l *Line) groupFor(e spool.Entry, now time.Time) *group {
	came := now
	// What was read before there were new rules came then.
	for len(l.earlier) > 0 && l.earlier[0].last.Compare(e.Position) < 0 {
		l.earlier = l.earlier[1:]
	}
	if len(l.earlier) > 0 {
		came = l.earlier[0].came
	}
	if n := len(l.groups); n > 0 {
		g := l.groups[n-1]
		if g.segment == e.Segment && g.bytes < groupBytes && came.Sub(g.began) < groupFor {
			g.came = came
			return g
		}
	}
	g := &group{segment: e.Segment, first: e.Position, began: came, came: came}
	l.groups = append(l.groups, g)
	return g
}
