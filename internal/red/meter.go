package red

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io/fs"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"appliance/internal/durable"
)

// Options say how much is counted, and where that is kept.
type Options struct {
	// Dir is made if it is missing. Nobody else may write there.
	Dir string
	FS  durable.FS
	// MaxSeries is how many series of spans there are at most, and how many nodes
	// and edges of the graph. A fourth more are for those of services that have
	// no room.
	MaxSeries int
	// PairWait is how long one side of a call waits for the other.
	PairWait time.Duration
	// Verdict says which traces are kept where that is decided after their spans
	// are. nil: a span that the sampler keeps is kept.
	Verdict Verdict
	Logger  *slog.Logger
}

// Meter counts the spans of all requests.
type Meter struct {
	dir          string
	fs           durable.FS
	log          *slog.Logger
	maxSeries    int
	verdict      Verdict
	hash         hasher
	overflowName []byte
	tallies      sync.Pool

	mu         sync.RWMutex // held to read while a request is added, to write while idle series go
	making     sync.Mutex   // held while a series is made
	table      atomic.Pointer[table[counters]]
	full       atomic.Bool
	nextID     uint32
	overflowed atomic.Uint64
	graph      graph
	changed    atomic.Bool // since the last save

	saved atomic.Pointer[snapshot] // nil when the last save failed

	saving sync.Mutex // held while what follows is used
	day    day
	buffer []byte
	failed atomic.Pointer[error] // of the last save
}

const (
	saveEvery = time.Second
	idleFor   = 25 * time.Hour // longer than any slot is kept
	stateName = "counts"
	dayName   = "day"
	maxState  = 1 << 30
)

// Open goes on with what is in the directory. With an error it begins at zero, as
// far as that says, and the meter can be used.
func Open(o Options) (*Meter, error) {
	m := newMeter(o)
	if err := durable.MkdirAll(m.fs, m.dir, 0o750); err != nil {
		return m, fmt.Errorf("make %s: %w", m.dir, err)
	}
	err := m.load()
	m.saved.Store(m.snapshot())
	return m, err
}

// newMeter is a meter that begins at zero.
func newMeter(o Options) *Meter {
	m := &Meter{
		dir: o.Dir, fs: o.FS, log: o.Logger, maxSeries: o.MaxSeries, verdict: o.Verdict,
		hash: hasher{maphash.MakeSeed()}, overflowName: []byte(Overflow),
	}
	if m.log == nil {
		m.log = slog.New(slog.DiscardHandler)
	}
	m.tallies.New = func() any {
		t := newTally(m)
		return &t
	}
	m.table.Store(m.emptyTable())
	m.graph.init(m.hash, o.MaxSeries, max(1, int64(o.PairWait/time.Second)), o.Verdict)
	m.day.began = m.now()
	return m
}

func (m *Meter) emptyTable() *table[counters] {
	return newTable[counters](reservedOf(m.maxSeries) + lastSeries)
}

func (m *Meter) now() int64 { return time.Now().Unix() }

func (m *Meter) load() error {
	var errs []error
	for _, f := range []struct {
		name string
		read func([]byte) error
	}{{stateName, m.readState}, {dayName, m.readDay}} {
		path := filepath.Join(m.dir, f.name)
		text, err := durable.ReadFile(m.fs, path, maxState)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil {
			err = f.read(text)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("read %s: %w", path, err))
		}
	}
	return errors.Join(errs...)
}

// Run saves what was counted every second and ends waits, until ctx is done.
func (m *Meter) Run(ctx context.Context) error {
	tick := time.NewTicker(saveEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			if m.graph.expire(m.now()) {
				m.changed.Store(true)
			}
			m.note(m.Save())
		}
	}
}

// Close saves what was counted. Calls of which one side waits are not counted.
func (m *Meter) Close() error {
	m.changed.Store(true)
	return m.Save()
}

func (m *Meter) note(err error) {
	last := m.failed.Load()
	m.failed.Store(&err)
	switch {
	case err != nil && (last == nil || *last == nil):
		m.log.Error("a crash now would forget counts of spans", "err", err)
	case err == nil && last != nil && *last != nil:
		m.log.Info("counts of spans are saved again")
	}
}

// Save writes what has changed, so that a View shows it, and ends the slot of the
// day when it is over. Run does it every second. It waits for the disk.
func (m *Meter) Save() error {
	m.saving.Lock()
	defer m.saving.Unlock()
	now := m.now()
	over := m.day.over(now)
	if !over && !m.changed.Swap(false) {
		return nil
	}
	s := m.snapshot()
	m.buffer = m.appendState(m.buffer[:0], s, now)
	err := durable.WriteFile(m.fs, filepath.Join(m.dir, stateName), m.buffer, 0o640)
	if err == nil {
		m.saved.Store(s)
	} else {
		m.saved.Store(nil)
	}
	if err == nil && over {
		// After the counts, so that those are never behind the day's.
		m.day.roll(s, now)
		m.forget(now)
		err = durable.WriteFile(m.fs, filepath.Join(m.dir, dayName), m.appendDay(nil), 0o640)
	}
	if err != nil {
		m.changed.Store(true)
	}
	return err
}

// snapshot is all counts at one moment; each by itself, since requests go on.
type snapshot struct {
	series []seriesAt
	edges  []edgeAt

	overflowed, edgeOverflow, unpaired, dropped uint64
}

type seriesAt struct {
	*series
	totals
}

type edgeAt struct {
	*edge
	edgeTotals
}

func (m *Meter) snapshot() *snapshot {
	s := &snapshot{
		overflowed: m.overflowed.Load(), edgeOverflow: m.graph.overflow.Load(),
		unpaired: m.graph.unpaired.Load(), dropped: m.graph.dropped.Load(),
	}
	m.table.Load().each(func(i *series) {
		s.series = append(s.series, seriesAt{i, i.value.load()})
	})
	for _, e := range m.graph.all() {
		s.edges = append(s.edges, edgeAt{e, e.load()})
	}
	return s
}

// forget drops series, edges and nodes that were idle for longer than the day
// has slots, so that names that are not used any more make room.
func (m *Meter) forget(now int64) {
	horizon := now - int64(idleFor/time.Second)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.making.Lock()
	defer m.making.Unlock()
	old, idle := m.table.Load(), 0
	old.each(func(i *series) {
		if i.used.Load() < horizon {
			idle++
		}
	})
	if idle > 0 {
		next := m.emptyTable()
		old.each(func(i *series) {
			if i.used.Load() < horizon {
				i.gone.Store(true)
				return
			}
			next.put(i)
		})
		m.table.Store(next)
		m.full.Store(next.count >= m.maxSeries)
	}
	m.graph.forget(horizon, now-int64(time.Hour/time.Second))
}

// Status is how much there is.
type Status struct {
	Series    int `json:"series"`
	Edges     int `json:"edges"`
	Nodes     int `json:"nodes"`
	MaxSeries int `json:"max_series"`
	// counted in series named Overflow, for want of room
	Overflowed uint64 `json:"overflowed_spans"`
	// one side of a call, and nothing says who the other is
	Unpaired uint64 `json:"unpaired_spans"`
	// that did not wait for their other side, for want of room
	Dropped   uint64 `json:"dropped_spans"`
	Waiting   int    `json:"waiting_spans"` // for their other side
	LastError string `json:"last_error,omitempty"`
}

// Status is how much there is now.
func (m *Meter) Status() Status {
	s := Status{MaxSeries: m.maxSeries, Overflowed: m.overflowed.Load() + m.graph.overflow.Load(), Unpaired: m.graph.unpaired.Load(), Dropped: m.graph.dropped.Load()}
	m.making.Lock()
	s.Series = m.table.Load().count
	m.making.Unlock()
	s.Nodes, s.Edges = m.graph.size()
	s.Waiting = m.graph.waiting()
	if err := m.failed.Load(); err != nil && *err != nil {
		s.LastError = (*err).Error()
	}
	return s
}
