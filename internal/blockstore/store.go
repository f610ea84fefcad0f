package blockstore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"appliance/internal/block"
	"appliance/internal/durable"
	"appliance/internal/spool"
)

const (
	// Names that no tenant can have: a tenant may begin with a dot.
	stagingName = "@staging"
	commitsName = "@commits"
	dirMode     = 0o750
	fileMode    = 0o640
)

// Options of a Store. Spool and Dir must be set; the zero value of each other
// field means its default.
type Options struct {
	Dir   string // made if it is missing
	Spool *spool.Spool
	// CutAfter is how long the oldest span of a block waits for others.
	// Default 10 s.
	CutAfter time.Duration
	// CutSpans bounds what one block is made of, beside 256 MiB of the spool. A
	// single record may be larger. Default 400,000.
	CutSpans int
	// MergeAfter is how long a block is left alone before it is merged with the
	// others of its time, and how much time a merged block is to have. Default 5
	// minutes.
	MergeAfter time.Duration
	// MergedBytes is about how large a merged block becomes, in bytes of its
	// data file. Default 512 MiB.
	MergedBytes int64
	// Alone lets blocks be made and merged one at a time. It takes half the memory,
	// and where there are two processors more time.
	Alone bool
	// Retention is how long blocks are kept, by the time of their newest span, and
	// for an hour after a start or a jump of the clock. 0 keeps all: the archiver
	// deletes.
	Retention time.Duration
	Logger    *slog.Logger
	// FS is where Dir is. Default durable.OS.
	FS durable.FS
}

func (o Options) withDefaults() Options {
	if o.CutAfter == 0 {
		o.CutAfter = 10 * time.Second
	}
	if o.CutSpans == 0 {
		o.CutSpans = 400_000
	}
	if o.MergeAfter == 0 {
		o.MergeAfter = 5 * time.Minute
	}
	if o.MergedBytes == 0 {
		o.MergedBytes = 512 << 20
	}
	if o.FS == nil {
		o.FS = durable.OS
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

// Store is the blocks on this disk and the spans on their way there.
type Store struct {
	opt Options
	log *slog.Logger
	fs  durable.FS
	// memory has the buffers of blocks, for the next ones.
	memory      block.Memory
	mergeMemory int64 // of the sources of a merge
	traceBytes  int   // of one trace that a block takes
	commits     commits
	skipped     skipped
	stored      map[owner]stretches // what blocks had at the start; nil if all of it is released
	work        sync.Mutex          // held while blocks are made or merged, with Alone

	mu      sync.Mutex
	tenants map[string]*tenant
	chores  []func() error // what no View holds back any more
	chore   chan struct{}
	full    []*part       // closed, in the order in which they are to be made blocks
	cut     chan struct{} // closed when full grows

	live      int64            // bytes of memory that the parts take
	maxLive   int64            // of them
	wall      func() time.Time // by which blocks get old
	draining  bool
	interrupt func() // makes the follower look again
	counts    counts
}

// tenant is what the store has of one.
type tenant struct {
	blocks []*Block // newest first
	parts  []*part  // in the order of their records; the last may be open
}

// Open puts the directory in order after whatever ended the last run, and
// releases the records of the spool that a block has. Nobody may read the spool
// yet.
func Open(ctx context.Context, o Options) (*Store, error) {
	o = o.withDefaults()
	s := &Store{
		opt: o, log: o.Logger, fs: o.FS,
		mergeMemory: mergeMemory, traceBytes: traceBytes, maxLive: maxLive, wall: time.Now,
		commits: commits{of: map[string]*commit{}, left: map[string]bool{}},
		tenants: map[string]*tenant{}, chore: make(chan struct{}, 1), cut: make(chan struct{}),
	}
	for _, dir := range []string{"", stagingName, commitsName} {
		if err := durable.MkdirAll(s.fs, filepath.Join(o.Dir, dir), dirMode); err != nil {
			return nil, fmt.Errorf("open the block store: %w", err)
		}
	}
	if err := s.recover(ctx); err != nil {
		return nil, fmt.Errorf("open the block store: %w", err)
	}
	return s, nil
}

// Run makes blocks of what is in the spool, merges them, and deletes what is
// past the retention, until ctx is done. What is not in a block then stays in
// the spool. It is called once.
func (s *Store) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return s.follow(ctx) })
	g.Go(func() error { s.readSkipped(ctx); return nil })
	g.Go(func() error { s.build(ctx); return nil })
	g.Go(func() error { s.merge(ctx); return nil })
	g.Go(func() error { s.retain(ctx); return nil })
	g.Go(func() error { s.tidy(ctx); return nil })
	return g.Wait()
}

// of returns a tenant, which is made if it is missing. s.mu is held.
func (s *Store) of(name string) *tenant {
	t := s.tenants[name]
	if t == nil {
		t = new(tenant)
		s.tenants[name] = t
	}
	return t
}

func (s *Store) path(elem ...string) string {
	return filepath.Join(append([]string{s.opt.Dir}, elem...)...)
}

// files is the source of a block.
func (s *Store) files(dir string) *block.Files {
	return block.OpenFiles(func(name string) (block.File, error) {
		return s.fs.OpenFile(filepath.Join(dir, name), os.O_RDONLY, 0)
	})
}

// remove deletes a block so that a crash leaves it whole, or in staging, from
// where the next Open removes it. It may be called again after an error.
func (s *Store) remove(dir, id string) error {
	if err := s.commits.disown(s.fs, id); err != nil {
		return fmt.Errorf("delete block %s: %w", id, err)
	}
	trash := s.path(stagingName, "deleted-"+id)
	err := durable.Rename(s.fs, dir, trash)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		_ = s.fs.Rename(trash, dir) // whose sync may have failed: it is moved again
		return fmt.Errorf("delete block %s: %w", id, err)
	}
	if err := removeAll(s.fs, trash); err != nil {
		return fmt.Errorf("delete block %s: %w", id, err)
	}
	return nil
}

// removeAll removes a directory of staging and all that is in it. That it is
// durable does not matter.
func removeAll(fsys durable.FS, name string) error {
	entries, err := fsys.ReadDir(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		path := filepath.Join(name, e.Name())
		if e.IsDir() {
			err = removeAll(fsys, path)
		} else {
			err = fsys.Remove(path)
		}
		if err != nil {
			return err
		}
	}
	return fsys.Remove(name)
}
