package tail

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"appliance/internal/durable"
	"appliance/internal/spool"
)

// Line is the delay line in front of whoever reads a spool.
type Line struct {
	o       Options
	rules   *rules
	journal journal
	known   *known
	names   names // of rules
	tenants names

	// Only Run uses these.
	open    *table[trace, *trace]
	late    *table[verdictOf, *verdictOf]
	marks   []mark // of late, oldest first
	stale   int    // how many of the marks are older than Remember
	fresh   uint64 // number of the first verdict that is not
	groups  []*group
	earlier []*group // the times of what is read again after new rules
	values  *groups
	rates   map[rateOf]*rate
	head    *spool.Reader // reads what comes
	behind  *spool.Reader // reads what is decided
	unsaved *writing
	cut     *cut // nil while nothing is due
	gate    spool.Position
	folded  time.Time
	files   map[string]*file // by segment
	undead  []string         // of them, that may be there again after a crash

	recent recent

	mu        sync.Mutex
	next      *Settings // that Run has to take over
	interrupt func()
	counts    counts
}

// rateOf names a rate: a rule, and values of its attributes.
type rateOf struct {
	rule   int
	values hashes
}

// cut is where the spool ended at a time. Verdicts of that time are on all that
// is before it, and on nothing else.
type cut struct {
	at  time.Time
	end spool.Position
}

// group is consecutive records of a segment that are decided together.
type group struct {
	segment     uint64
	first, last spool.Position
	records     int64
	spans       int64
	bytes       int
	traces      uint64    // number of the trace behind its last
	began, came time.Time // when its first and last record were read
	until       time.Time // of its last record, by the clock
}

// Open reads the verdicts of earlier runs, and puts itself in front of whoever
// reads the spool from now on. It returns nil, and does nothing, where there are
// neither rules nor verdicts. Its errors name each rule that cannot be used.
func Open(o Options) (*Line, error) {
	o = o.withDefaults()
	rs, err := compile(o.Rules, o.Threshold)
	if err != nil {
		return nil, fmt.Errorf("read tail.rules: %w", err)
	}
	l := &Line{
		o: o, rules: rs,
		journal: journal{fs: o.FS, dir: o.Dir},
		known:   newKnown(o.FS, o.Dir, o.MaxOutcomes),
		names:   newNames(), tenants: newNames(),
		open: newTable[trace](), late: newTable[verdictOf](),
		files: map[string]*file{},
	}
	l.counts.rules = map[string]*RuleCounts{}
	l.forget()
	if len(o.Rules) == 0 {
		if found, err := l.anything(); err != nil || !found {
			return nil, err
		}
	}
	if err := durable.MkdirAll(o.FS, o.Dir, dirMode); err != nil {
		return nil, fmt.Errorf("open the verdicts: %w", err)
	}
	if err := l.load(); err != nil {
		return nil, fmt.Errorf("open the verdicts: %w", err)
	}
	l.journal.makeRoom()
	return l, nil
}

// Run decides, until ctx is done. It is called once.
func (l *Line) Run(ctx context.Context) error {
	defer l.journal.close()
	if len(l.o.Rules) == 0 { // only what was decided before is left out
		return l.rest(ctx)
	}
	l.head, l.behind = l.o.Spool.ReaderFrom(l.gate), l.o.Spool.ReaderFrom(l.gate)
	defer func() { l.head.Close(); l.behind.Close() }()
	var buf []byte
	failures := 0
	for {
		l.takeOver()
		l.fallDue(time.Now())
		waiting, stop := l.untilDue(ctx)
		e, err := l.head.Next(waiting, buf)
		over := waiting.Err()
		stop()
		switch {
		case err == nil:
			failures = 0
		case ctx.Err() != nil, errors.Is(err, spool.ErrClosed):
			return nil
		case over != nil && errors.Is(err, over): // all that has come is observed
		default:
			l.trouble("the spool cannot be read; trying again", err)
			if failures++; failures%readTries == 0 {
				l.head.Skip()
			}
			pause(ctx, retryAfter)
			continue
		}
		if err != nil || l.cut != nil && e.Position.Compare(l.cut.end) >= 0 {
			if err := l.advance(ctx); err != nil {
				l.trouble("verdicts cannot be written; trying again", err)
				pause(ctx, retryAfter)
			}
		}
		if err == nil {
			l.observe(e, time.Now())
			buf = e.Payload[:0]
		}
		l.fold(time.Now())
	}
}

// untilDue returns a context that ends when a group is due, or there are new
// rules.
func (l *Line) untilDue(ctx context.Context) (context.Context, context.CancelFunc) {
	next := time.Now().Add(foldEvery)
	if l.unsaved != nil {
		next = time.Now()
	} else if len(l.groups) > 0 {
		if due := l.due(l.groups[0]); due.Before(next) {
			next = due
		}
	}
	waiting, stop := context.WithDeadline(ctx, next)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.interrupt = stop
	if l.next != nil {
		stop()
	}
	return waiting, stop
}

// fallDue notes where the spool ends when a group is due.
func (l *Line) fallDue(now time.Time) {
	if l.cut == nil && len(l.groups) > 0 && !l.due(l.groups[0]).After(now) {
		l.cut = &cut{now, l.o.Spool.End()}
	}
}

// due is when a group is decided.
func (l *Line) due(g *group) time.Time { return g.came.Add(l.o.Wait) }

// rest removes files that mean nothing any more.
func (l *Line) rest(ctx context.Context) error {
	for pause(ctx, foldEvery) {
		l.fold(time.Now())
	}
	return nil
}

// pause waits; false when ctx is done before.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// forget is for new rules: nothing is known of open traces.
func (l *Line) forget() {
	l.open.dropTo(l.open.next)
	l.groups, l.cut = nil, nil
	l.values = newGroups(len(l.rules.per))
	l.rates = map[rateOf]*rate{}
	l.setOpen()
}
