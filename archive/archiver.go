package archive

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"
	"time"

	"appliance/internal/wallclock"
)

// blockState is how far the archiver has come with a block of the source.
type blockState int

const (
	statePending    blockState = iota // not archived, as far as we know
	stateUnfinished                   // no block yet
	stateDone                         // archived
	stateCovered                      // its spans are archived in other blocks
	// purged; its files may be there for as long as a query reads them
	stateDeleted
)

// known is what an archiver knows of a block of its source.
type known struct {
	state      blockState
	seen       time.Time // when we first saw it; monotonic
	markedSeen time.Time // when we first saw it marked, zero if it is not
	looked     uint64    // number of the scan that last saw it
	end        time.Time // from when on its age counts
	came       time.Time // its spans, which end in the future, had come by then
	level      int
	bytes      int64
	print      [sha256.Size]byte // of what the source said of it
	failed     bool              // when it was last tried
	// number of the scan after which it could not be deleted last, 0 for none
	refused uint64
}

// Archiver copies the blocks of a source to a store, and purges those of the
// embedded block store. Run or RunOnce is called once at a time; Status at any
// time. Several archivers may work on one store.
type Archiver struct {
	opt  Options
	copy copier

	mu      sync.Mutex // over what follows
	known   map[ref]*known
	status  Status
	memory  memory
	scanned time.Time // start of the last whole listing; monotonic

	// Only Run and RunOnce, one at a time, touch these.
	scans    uint64
	recalled bool
	doubt    doubt        // why the archive is in doubt, from the pass that runs
	damaged  map[ref]bool // archived copies that are marked so
	// the store and the source were seen to be, in this term or since the last scan
	apart  bool
	sureAt uint64 // the scan since which the store was last seen to be the right one
	// bytes of all archived blocks, also by others, as they were counted last
	stored  int64
	counted time.Time // when that was; monotonic
	// archived copies that are not of the bytes of the source's block, by which they seem to be
	foreign    map[ref]ref
	verified   map[ref]int64
	fresh      int // manifests that the catalog lacks
	cataloged  time.Time
	remembered time.Time
	swept      time.Time
	asked      time.Time // when Tempo's settings were last looked at
	clock      *wallclock.Clock
}

// New returns an Archiver that has done nothing yet.
func New(o Options) (*Archiver, error) {
	o, err := o.filled()
	if err != nil {
		return nil, err
	}
	if o.Embedded != nil {
		o.Source = OnlyFinal(o.Source, o.Embedded.Final)
	}
	o.Source = taggedSource{o.Source}
	a := &Archiver{
		opt: o, known: map[ref]*known{}, damaged: map[ref]bool{}, foreign: map[ref]ref{}, verified: map[ref]int64{},
		memory: memory{Origin: o.Origin, Covered: map[string]string{}},
		status: Status{Mode: "elsewhere", Source: o.Source.URL(), Store: o.Store.URL(), UnknownFormats: map[string]int64{}, Failures: map[string]int64{}, Holds: map[Hold]string{}, MaxBytes: o.MaxBytes},
	}
	if o.Embedded != nil {
		a.status.Mode, a.status.Purge = "embedded", &PurgeStatus{}
	}
	a.copy = copier{
		src: o.Source, dst: o.Store, origin: o.Origin, by: o.by, now: o.wall,
		moved:   func(int64) {},
		damaged: a.distrusts,
	}
	return a, nil
}

// Source is what the Archiver copies from.
func (a *Archiver) Source() Source { return a.opt.Source }

// Run archives what appears in the source, and purges, until ctx ends; then it
// returns nil. Errors are counted and logged, and what did not succeed is tried
// again with the next look. It may be called again: others may have archived
// the storage of a Tempo elsewhere meanwhile.
func (a *Archiver) Run(ctx context.Context) error {
	a.begin()
	a.cataloged = time.Now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
		// A backlog must not keep us from looking: a block may come and go meanwhile.
		out, _ := a.pass(ctx, nil, a.opt.Interval)
		if a.opt.Embedded != nil {
			a.purge(ctx)
		}
		a.remember(ctx, false)
		a.sweep(ctx)
		if out.left {
			timer.Reset(0)
		} else {
			timer.Reset(a.opt.Interval)
		}
	}
}

// Progress of RunOnce. Totals are those of the blocks that were due at its start.
type Progress struct {
	Tenant, Block       string // being copied
	Blocks, BlocksTotal int
	Bytes, BytesTotal   int64
}

// Outcome of RunOnce.
type Outcome struct {
	Archived, Covered, Failed int   // blocks
	Bytes                     int64 // archived
	Errors                    []error
	Unlisted                  error // why the source was not listed whole, so that more may be due
	NoRoom                    error // why no more may be archived
	Waiting                   int   // blocks that wait for room
	left                      bool  // more is due, and time was up
}

// RunOnce archives everything that is due, and purges nothing. It calls
// progress, which may be nil, from time to time. The error is that of the
// source or the store as a whole; those of single blocks are in the Outcome.
func (a *Archiver) RunOnce(ctx context.Context, progress func(Progress)) (Outcome, error) {
	out, err := a.pass(ctx, progress, 0)
	a.remember(ctx, true)
	return out, errors.Join(err, ctx.Err())
}

// pass looks at the source and copies what is due. After limit, if that is not
// 0, it begins with no other block.
func (a *Archiver) pass(ctx context.Context, progress func(Progress), limit time.Duration) (Outcome, error) {
	out, err := a.tryPass(ctx, progress, limit)
	if err != nil {
		a.noteWaiting(ctx)
	}
	return out, err
}

func (a *Archiver) tryPass(ctx context.Context, progress func(Progress), limit time.Duration) (Outcome, error) {
	a.doubt = doubt{}
	if err := a.proveApart(ctx); err != nil {
		return Outcome{}, err
	}
	if err := a.recogniseStore(ctx); err != nil {
		a.inDoubt(ctx, causeOf(err), err)
		return Outcome{}, err
	}
	if err := a.recall(ctx); err != nil {
		a.inDoubt(ctx, causeOf(err), err)
		return Outcome{}, err
	}
	if err := a.heedVerification(ctx); err != nil {
		a.inDoubt(ctx, causeOf(err), err)
		return Outcome{}, err
	}
	a.askTempo(ctx)
	started := time.Now()
	due, unlisted, err := a.scan(ctx)
	if err != nil {
		a.inDoubt(ctx, causeOf(err), err)
		return Outcome{}, err
	}
	if unlisted != nil {
		a.inDoubt(ctx, causeOf(unlisted), unlisted)
	} else {
		a.noteScan(started)
	}
	out := a.archive(ctx, due, progress, func() bool { return limit > 0 && time.Since(started) > limit })
	out.Unlisted = unlisted
	if out.Failed == 0 && !out.left && out.NoRoom == nil && unlisted == nil && ctx.Err() == nil {
		a.update(func(s *Status) { s.LastSuccess = a.opt.wall() })
	}
	return out, nil
}

// proveApart sees for itself that the store and the source are two places, once
// a term and again before a purge.
func (a *Archiver) proveApart(ctx context.Context) error {
	if a.apart {
		return nil
	}
	err := checkApart(ctx, a.opt.Store, a.opt.Source, a.opt.Origin)
	if err != nil && !errors.Is(err, ErrSame) {
		a.inDoubt(ctx, causeOf(err), err)
		return err
	}
	a.hold(ctx, HoldSame, err)
	a.apart = err == nil
	return err
}

// recogniseStore holds up all purging while the store is not that of the last
// run. Archiving goes on.
func (a *Archiver) recogniseStore(ctx context.Context) error {
	if a.opt.StoreFile == "" {
		return nil
	}
	err := KnownStore{Store: a.opt.Store, File: a.opt.StoreFile}.Check(ctx)
	var changed *StoreChangedError
	if err != nil && !errors.As(err, &changed) {
		return err
	}
	a.hold(ctx, HoldStore, err)
	return nil
}

// inDoubt counts a failure that keeps everything from being purged until the next pass.
func (a *Archiver) inDoubt(ctx context.Context, cause string, err error) {
	a.doubt = doubt{text: fmt.Sprintf("%s: %v", cause, err)}
	a.fail(ctx, cause, err)
}

// archive copies the blocks that are due, in their order, until the time is up.
func (a *Archiver) archive(ctx context.Context, due []ref, progress func(Progress), timeUp func() bool) (out Outcome) {
	if progress == nil {
		progress = func(Progress) {}
	}
	p := Progress{BlocksTotal: len(due)}
	for _, r := range due {
		p.BytesTotal += a.known[r].bytes
	}
	a.copy.moved = func(n int64) { p.Bytes += n; progress(p) }
	defer func() { a.copy.moved = func(int64) {} }()
	var archived []entry // read when the first block of a higher level comes
	for i, r := range due {
		if out.left = timeUp(); out.left || ctx.Err() != nil {
			return out
		}
		if out.NoRoom = a.room(ctx, a.known[r].bytes); out.NoRoom != nil {
			a.hold(ctx, HoldRoom, out.NoRoom)
			out.Waiting = len(due) - i
			return out
		}
		a.hold(ctx, HoldRoom, nil)
		p.Tenant, p.Block = r.tenant, r.block
		before := p.Bytes
		m, err := a.archiveBlock(ctx, r, &archived)
		a.known[r].failed = err != nil
		switch {
		case err != nil:
			out.Failed++
			out.Errors = append(out.Errors, fmt.Errorf("archive block %s: %w", r, err))
			a.blockFailed(ctx, r, err)
		case m == nil:
			out.Covered++
		default:
			out.Archived++
			out.Bytes += m.Bytes
		}
		p.Blocks++
		p.Bytes = before + a.known[r].bytes // whether it was copied, failed or covered
		progress(p)
	}
	if len(due) == 0 {
		a.hold(ctx, HoldRoom, nil) // nothing wants any
	}
	return out
}

func (a *Archiver) blockFailed(ctx context.Context, r ref, err error) {
	switch cause := causeOf(err); cause {
	case CauseFull, CauseDenied, CauseStore:
		a.inDoubt(ctx, cause, fmt.Errorf("archive block %s: %w", r, err))
	default:
		a.fail(ctx, cause, err, "tenant", r.tenant, "block", r.block)
	}
}

// archiveBlock makes one block safe. It returns nil and no error when other
// archived blocks cover it.
func (a *Archiver) archiveBlock(ctx context.Context, r ref, archived *[]entry) (*Manifest, error) {
	b, err := inspect(ctx, a.opt.Source, r.tenant, r.block)
	if err != nil {
		return nil, err
	}
	if b.meta.CompactionLevel > 0 && a.opt.Embedded == nil {
		ok, err := a.isCovered(ctx, b, archived)
		if err != nil || ok {
			return nil, err
		}
	}
	m, err := a.copy.copy(ctx, b)
	if err != nil {
		return nil, err
	}
	if *archived != nil { // else it is read when it is needed, with this one in it
		*archived = append(*archived, entryOf(m))
	}
	a.fresh++
	a.stored += m.Bytes
	a.update(func(s *Status) {
		s.StoreBytes = a.stored
		a.known[r].state = stateDone
		s.ArchivedBlocks++
		s.ArchivedBytes += m.Bytes
		if m.Derived != nil {
			s.Conflicts++
		}
		if m.SpanDigest == "" {
			s.UnknownFormats[m.Encoding]++
		}
	})
	a.opt.Logger.Info("block is archived", "tenant", m.Tenant, "block", m.Block, "traces", m.Traces, "spans", m.Spans, "bytes", m.Bytes)
	if m.Derived != nil {
		a.opt.Logger.Warn("other bytes are archived under this id, so the block has got another", "tenant", m.Tenant, "source_block", r.block, "block", m.Block)
	}
	return m, nil
}

func (a *Archiver) isCovered(ctx context.Context, b *sourceBlock, archived *[]entry) (bool, error) {
	if *archived == nil {
		inv, err := takeInventory(ctx, a.opt.Store)
		if err != nil {
			return false, err
		}
		for _, e := range inv.archived {
			if !inv.marks.has(markDamaged, e.ref) {
				*archived = append(*archived, e)
			}
		}
	}
	ok, err := covered(ctx, a.opt.Source, b, a.opt.Store, *archived)
	if err != nil || !ok {
		return false, err
	}
	r := ref{b.tenant, b.id}
	a.update(func(*Status) {
		a.known[r].state = stateCovered
		a.memory.Covered[r.String()] = hexSum(sha256.Sum256(b.text))
	})
	return true, nil
}
