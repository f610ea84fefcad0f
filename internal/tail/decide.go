package tail

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"appliance/internal/otlpwire"
	"appliance/internal/spool"
)

// writing is a frame that is to be written: what it says holds already.
type writing struct {
	segment string
	frame   *frame
	gate    spool.Position
	groups  int
}

const atOnceBytes = 32 << 20 // of records that are decided by one write

// advance decides on the groups that were due when the spool ended where all is
// observed now.
func (l *Line) advance(ctx context.Context) error {
	cut := l.cut
	l.cut = nil
	if err := l.save(); err != nil || cut == nil {
		return err
	}
	for ctx.Err() == nil {
		n, bytes := 0, 0
		for n < len(l.groups) && bytes < atOnceBytes && l.groups[n].segment == l.groups[0].segment && !l.due(l.groups[n]).After(cut.at) {
			bytes += l.groups[n].bytes
			n++
		}
		if n == 0 {
			return nil
		}
		if err := l.decide(n, cut.at, 0); err != nil {
			return err
		}
	}
	return nil
}

// decide decides on so many of the oldest groups, which are of one segment, and
// lets them pass. What was decided before them has to be saved.
func (l *Line) decide(n int, at time.Time, flags uint64) error {
	groups := l.groups[:n]
	name, ok := l.o.Spool.SegmentName(groups[0].segment)
	last := groups[n-1]
	gate := last.last
	gate.Offset++
	f := &frame{time: at.UnixNano()}
	b := &builder{Line: l, frame: f, outcome: map[verdictKey]int{}, tenant: map[string]int{}}
	for _, g := range groups {
		b.judge(g, flags)
	}
	l.unsaved = &writing{name, f, gate, n}
	if !ok { // the segment is gone, and what was in it is counted
		f.records = nil
		l.passed()
		return nil
	}
	b.sift(last.last)
	return l.save()
}

// save writes what is decided and not written yet, and lets it pass.
func (l *Line) save() error {
	w := l.unsaved
	if w == nil {
		return nil
	}
	if err := l.journal.write(w.segment, w.frame); err != nil {
		return err
	}
	l.known.add(w.segment, w.frame)
	l.passed()
	return nil
}

// passed opens the gate for what was written.
func (l *Line) passed() {
	w, now := l.unsaved, time.Now()
	left := map[spool.LeftOut]int64{}
	var spans int64
	for _, o := range w.frame.records {
		for _, x := range o.left {
			left[spool.LeftOut{Tenant: w.frame.tenants[o.tenant], Rule: w.frame.outcomes[x.outcome].rule}] += x.spans
		}
		spans += o.kept()
	}
	for i := range w.frame.traces {
		t := &w.frame.traces[i]
		l.recent.set(&t.id, randomness(t.id) >= w.frame.outcomes[t.outcome].threshold)
	}
	var all []spool.LeftOut
	for k, n := range left {
		k.Spans = n
		all = append(all, k)
	}
	l.gate = w.gate
	done := l.groups[:w.groups]
	l.groups = l.groups[w.groups:]
	l.counts.passed(done, w.frame)
	l.o.Spool.Pass(w.gate, all...)
	if w.segment != "" {
		l.touch(w.segment, now)
	}
	l.unsaved = nil
	l.age(now)
	l.setOpen()
}

// builder makes a frame.
type builder struct {
	*Line
	frame   *frame
	outcome map[verdictKey]int
	tenant  map[string]int
}

type verdictKey struct {
	rule      uint16
	threshold uint32
}

// judge gives each trace of a group its verdict.
func (b *builder) judge(g *group, flags uint64) {
	first := b.open.first
	n := int(g.traces - first)
	by := make([]int16, n) // the rule of each
	offered := map[*rate]float64{}
	rates := make([]*rate, 0)
	for i := range n {
		t := b.open.at(first + uint64(i))
		r := b.rules.first(t)
		by[i] = int16(r)
		if r != noRule && b.rules.list[r].Keep.SpansPerSecond > 0 {
			x := b.rate(r, t.group)
			if _, ok := offered[x]; !ok {
				rates = append(rates, x)
			}
			offered[x] += float64(t.spans)
		}
	}
	thresholds := map[*rate]uint64{}
	for _, x := range rates {
		thresholds[x] = b.thresholdOf(x.probability(g.until, offered[x]))
	}
	kept := map[*rate]float64{}
	for i := range n {
		t := b.open.at(first + uint64(i))
		v := verdictOf{id: t.id, tenant: t.tenant}
		name := ""
		if r := int(by[i]); r != noRule {
			rule := &b.rules.list[r]
			name = rule.Name
			v.threshold = pack(rule.threshold)
			if rule.Keep.SpansPerSecond > 0 {
				x := b.rate(r, t.group)
				v.threshold = pack(thresholds[x])
				if randomness(t.id) >= unpack(v.threshold) {
					kept[x] += float64(t.spans)
				}
			}
		}
		v.rule = b.names.of(name)
		d := decided{id: t.id, spans: uint64(t.spans), flags: flags}
		if t.flags&hasRoot == 0 {
			d.flags |= rootMissing
		}
		d.tenant, d.outcome = b.tenantOf(b.tenants.list[t.tenant]), b.outcomeOf(&v)
		b.frame.traces = append(b.frame.traces, d)
		b.late.put(v.of(), func(to *verdictOf) { *to = v })
	}
	for x, n := range kept {
		x.kept(n)
	}
	b.open.dropTo(g.traces)
}

// randomness of a trace, where no rv says another.
func randomness(id [16]byte) uint64 { return binary.BigEndian.Uint64(id[8:]) & (1<<56 - 1) }

// thresholdOf is that of a probability above 0.
func (l *Line) thresholdOf(p float64) uint64 {
	const least = 1.0 / (1 << 30)
	t, err := l.o.Threshold(max(p, least))
	if err != nil {
		return keepAll
	}
	return t
}

// rate is that of a rule for traces of a group.
func (l *Line) rate(r int, group uint32) *rate {
	rule := &l.rules.list[r]
	k := rateOf{rule: r}
	if len(rule.per) > 0 {
		for _, i := range rule.per {
			k.values += l.values.list[group].values.at(i)
		}
	}
	x := l.rates[k]
	if x == nil {
		x = &rate{perSecond: rule.Keep.SpansPerSecond}
		l.rates[k] = x
	}
	x.used = l.values.round
	return x
}

func (b *builder) tenantOf(name string) int {
	i, ok := b.tenant[name]
	if !ok {
		i = len(b.frame.tenants)
		b.frame.tenants = append(b.frame.tenants, name)
		b.tenant[name] = i
	}
	return i
}

func (b *builder) outcomeOf(v *verdictOf) int {
	k := verdictKey{v.rule, v.threshold}
	i, ok := b.outcome[k]
	if !ok {
		i = len(b.frame.outcomes)
		b.frame.outcomes = append(b.frame.outcomes, verdict{b.names.list[v.rule], unpack(v.threshold)})
		b.outcome[k] = i
	}
	return i
}

// sift reads the records up to one, and enters what is left of each. Those of an
// earlier segment were skipped when they came, or their file is gone: nobody
// decides on them, and their offsets mean nothing in this segment.
func (b *builder) sift(last spool.Position) {
	now, cancel := context.WithCancel(context.Background())
	cancel() // all of them are there
	var buf []byte
	failures := 0
	for {
		e, err := b.behind.NextUpTo(now, buf, spool.MaxPayload)
		switch {
		case errors.Is(err, context.Canceled), errors.Is(err, spool.ErrClosed):
			return // the last ones are damaged
		case err != nil:
			if failures++; failures < readTries {
				continue
			}
			// It stays in the spool, and is handed out whole should it be readable again.
			b.trouble("a record of the spool cannot be read, and is not decided on", err)
			b.behind.Skip()
			failures = 0
			continue
		}
		failures = 0
		buf = e.Payload[:0]
		if e.Segment == last.Segment && e.Offset <= last.Offset {
			b.frame.records = append(b.frame.records, b.outcomeFor(e))
		}
		if e.Position.Compare(last) >= 0 {
			return
		}
	}
}

// wire scans the records, which went through the receiver's limits or earlier
// ones.
var wire = otlpwire.Limits{MaxDepth: 1 << 10, MaxSpans: 1 << 30, MaxAttributes: 1 << 30}

// outcomeFor says what is left of a record.
func (b *builder) outcomeFor(e spool.Entry) outcome {
	o := outcome{offset: e.Offset, tenant: b.tenantOf(e.Tenant), spans: int64(e.Spans)}
	tenant := b.tenants.of(e.Tenant)
	left := map[int]int64{}
	var (
		known  key
		v      verdictOf
		number int
		state  []byte
	)
	_, err := wire.Walk(e.Payload, func(s *otlpwire.Span) {
		if s.Invalid != 0 {
			return
		}
		if k := (key{[16]byte(s.TraceID), tenant}); k != known || len(o.runs) == 0 {
			known = k
			v = b.verdictOn(k)
			number = b.outcomeOf(&v)
		}
		if n := len(o.runs); n > 0 && o.runs[n-1].outcome == number {
			o.runs[n-1].spans++
		} else {
			o.runs = append(o.runs, run{number, 1})
		}
		keep := false
		switch t := unpack(v.threshold); t {
		case keepAll:
			keep = true
		case keepNone:
		default:
			var out otlpwire.Verdict
			out, state = b.thin(t, s, state)
			keep = out.Keep
		}
		if !keep {
			left[number]++
		}
	})
	if err != nil { // whoever gets it finds the same
		b.trouble("a record of the spool is not what the receiver wrote", fmt.Errorf("scan record %s: %w", e.Position, err))
		o.runs = nil
		return o
	}
	for i, n := range left {
		o.left = append(o.left, leftOut{i, n})
	}
	slices.SortFunc(o.left, func(a, b leftOut) int { return cmp.Compare(a.outcome, b.outcome) })
	return o
}

// verdictOn is the verdict on a trace. One that is forgotten keeps it.
func (b *builder) verdictOn(k key) verdictOf {
	if v := b.late.find(k); v != nil {
		return *v
	}
	b.counts.addForgotten(1)
	return verdictOf{id: k.id, tenant: k.tenant, rule: b.names.of("")}
}

// thin is Options.Thin for a span whatever its sampling.priority, which the
// sampler has honoured.
func (l *Line) thin(threshold uint64, s *otlpwire.Span, buf []byte) (otlpwire.Verdict, []byte) {
	plain := *s
	plain.HasPriority = false
	return l.o.Thin(threshold, &plain, buf)
}
