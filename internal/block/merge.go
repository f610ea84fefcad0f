package block

import (
	"context"
	"errors"
	"fmt"
)

// Merger makes one block of the traces of others. It takes traces in ascending
// order of their ids: one that is in a single block as columns, whose entries it
// copies, and one that is in several as OTLP, so that copies are removed and all
// that is derived is derived again. Its options are those of a Builder.
// It is not safe for concurrent use.
//
// Stats has no digest of what was copied. What proves a merge is the digest of
// the block as it is read back, with that of the copies that were removed: they
// add up to those of the sources.
type Merger struct {
	opts   BuilderOptions
	dir    string
	w      blockWriter
	queue  frameQueue
	maps   map[*MergeSource]*placeMap
	added  int64
	record []byte
	failed error
	done   bool
}

// placeMap says where the values of a source's dictionaries are in those of the
// block, by column: the place plus 1, or 0 for one that is not there yet.
type placeMap struct {
	from, to int // row groups
	columns  [][]uint32
}

// NewMerger makes the directory of a block, which must not hold a block yet.
func NewMerger(opts BuilderOptions) (*Merger, error) {
	m := &Merger{opts: opts.withDefaults(), maps: map[*MergeSource]*placeMap{}}
	var err error
	if m.dir, err = m.opts.makeDir(); err != nil {
		return nil, err
	}
	columns := m.opts.Memory.newColumns()
	in := newIngest(m.opts.DigestKey)
	m.w = blockWriter{opts: &m.opts, dir: m.dir, ingest: &in}
	m.w.shredder.columns = columns
	m.w.shredder.key = m.opts.DigestKey
	m.w.loader = newLoader(m.w.ingest, &m.queue, &m.opts)
	m.w.shredder.words = &in.compactor.words
	if err := m.w.open(); err != nil {
		return nil, fmt.Errorf("begin block %s: %w", m.opts.BlockID, errors.Join(err, m.opts.removeDir(m.dir)))
	}
	return m, nil
}

// fail keeps an error, after which nothing goes on.
func (m *Merger) fail(err error) error {
	if err != nil {
		m.failed = fmt.Errorf("merge into block %s: %w", m.opts.BlockID, err)
		return m.failed
	}
	return nil
}

// ready says whether a trace may be added.
func (m *Merger) ready(s *MergeSource) error {
	switch {
	case m.failed != nil:
		return m.failed
	case m.done:
		return errors.New("add to a block that is finished")
	case m.w.stats.Traces > 0 && string(s.id[:]) <= string(m.w.last[:]):
		return m.fail(fmt.Errorf("trace %x comes after %x", s.id, m.w.last))
	}
	return nil
}

// Add adds the current trace of one or several blocks. Nothing is read of them.
func (m *Merger) Add(sources ...*MergeSource) error {
	if err := m.ready(sources[0]); err != nil {
		return err
	}
	for _, s := range sources {
		m.added += int64(s.Spans())
	}
	if len(sources) == 1 {
		return m.fail(m.copyRow(sources[0]))
	}
	return m.fail(m.join(sources))
}

// Finish writes the block as Builder.Finish does.
func (m *Merger) Finish(ctx context.Context) (*Meta, Stats, error) {
	if m.failed != nil {
		return nil, Stats{}, m.failed
	}
	if m.done || m.w.stats.Traces == 0 {
		return nil, Stats{}, errors.New("finish a merge that is finished, or has no traces")
	}
	if err := ctx.Err(); err != nil {
		return nil, Stats{}, m.fail(err)
	}
	meta, err := m.w.finish()
	if err != nil {
		return nil, Stats{}, m.fail(errors.Join(err, m.w.close()))
	}
	m.done = true
	m.opts.Memory.keepColumns(m.w.shredder.columns)
	stats := m.w.stats
	stats.Added, stats.Copies, stats.Overflowed = m.added, m.w.loader.copies, m.w.loader.overflowed
	stats.Removed, stats.Lost = m.w.shredder.removed, m.w.shredder.lost
	return meta, stats, nil
}

// Abort removes all that was written. After Finish has succeeded it does
// nothing.
func (m *Merger) Abort() error {
	if m.done {
		return nil
	}
	m.failed = errors.New("use of a block that was aborted")
	if err := errors.Join(m.w.close(), m.opts.removeDir(m.dir)); err != nil {
		return fmt.Errorf("abort block %s: %w", m.opts.BlockID, err)
	}
	return nil
}

// join writes a trace that is in several blocks.
func (m *Merger) join(sources []*MergeSource) error {
	m.queue.reset(sources[0].id)
	l := m.w.loader
	for _, s := range sources {
		var err error
		if m.record, err = s.record(m.record[:0]); err != nil {
			return err
		}
		if m.queue.size() >= m.opts.TraceBytes && m.opts.Overflow != nil {
			// What the block takes of the trace is there; more would only fill the memory.
			l.overflowed += int64(s.Spans())
			err = m.opts.Overflow(m.record)
		} else {
			err = m.queue.add(m.w.ingest, m.record)
		}
		if err != nil {
			return err
		}
	}
	l.resources.known, l.scopes.known = m.w.ingest.resources.origins, m.w.ingest.scopes.origins
	t, err := l.next()
	if err != nil {
		return err
	}
	if t == nil {
		return fmt.Errorf("%w: trace %x has no spans", ErrDamaged, sources[0].id)
	}
	return m.w.trace(t)
}

// frameQueue has the frames of one trace, in the order in which they came.
type frameQueue struct {
	id    [16]byte
	arena []byte
	ends  []int
	given int // frames
}

func (q *frameQueue) reset(id [16]byte) {
	q.id, q.arena, q.ends, q.given = id, q.arena[:0], q.ends[:0], 0
}

// size is how much of a block the frames take.
func (q *frameQueue) size() int { return len(q.arena) + len(q.ends)*spanOverhead }

// add adds the spans of a record.
func (q *frameQueue) add(g *ingest, record []byte) error {
	if err := g.record(record); err != nil {
		return err
	}
	for i := range g.found {
		f := &g.found[i]
		if f.id != q.id {
			return fmt.Errorf("%w: a span of trace %x in trace %x", ErrDamaged, f.id, q.id)
		}
		q.arena = append(q.arena, g.frames[f.from:f.to]...)
		q.ends = append(q.ends, len(q.arena))
	}
	return nil
}

func (q *frameQueue) next() (id [16]byte, frame []byte, ok bool, err error) {
	if q.given == len(q.ends) {
		return id, nil, false, nil
	}
	start := 0
	if q.given > 0 {
		start = q.ends[q.given-1]
	}
	frame = q.arena[start:q.ends[q.given]]
	q.given++
	return q.id, frame, true, nil
}
