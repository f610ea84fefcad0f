package spool

import (
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"appliance/internal/durable"
)

// Spool is an open directory. All methods may be called at the same time.
type Spool struct {
	opts       Options
	dir        string
	log        *slog.Logger
	quarantine quarantine
	queue      *queue
	appenders  sync.Pool
	stopped    chan struct{} // closed when the writer has ended

	mu         sync.Mutex
	segments   []*segment // in the order of their ids, the active one last
	doomed     []*segment // finished, to be deleted
	vanished   []*segment // whose files are gone
	bytes      int64      // of all segment files and the spare
	unreadable int
	sums       state         // Segments has only those that could not be read
	appended   Counts        // since Open
	grown      chan struct{} // closed at the next commit, made by who waits for it
	lastErr    error
	closed     bool
	unsaved    bool // the state file could not be written
	sift       sieving
	unlisted   bool // the quarantine could not be listed
	uncopied   bool // the copy of the state file could not be written

	// Only the writer uses these.
	active *active
	lastID uint64
	spare  chan *spare // has the spare, or will; nil if none is being made

	checkpoint sync.Mutex // held while the state file is written and segments are deleted
	saved      time.Time
	stateRoom  int64 // that the next state file may need
	copyNamed  bool  // the name of its copy is synced

	syncs atomic.Int64
	stuck Stuck
}

// Open opens the spool in dir, which is made if it is missing, and repairs what
// a crash left: a torn tail is cut off, the segment it is in is sealed. The
// caller holds the lock of the directory. A full disk is not a reason for an
// error, nor is a segment that cannot be read: it is left alone and counted,
// and the next Open tries again. A directory that cannot be written to is one.
func Open(dir string, opts Options) (*Spool, error) {
	opts = opts.withDefaults()
	if err := durable.MkdirAll(opts.FS, dir, dirMode); err != nil {
		return nil, fmt.Errorf("open spool: %w", err)
	}
	inv, err := takeInventory(opts.FS, dir)
	if err == nil {
		err = removeSpare(opts.FS, dir)
	}
	if err != nil {
		return nil, fmt.Errorf("open spool: %w", err)
	}
	s := &Spool{
		opts:       opts,
		dir:        dir,
		log:        opts.Logger,
		quarantine: quarantine{opts.FS, filepath.Join(dir, quarantineName), opts.quarantineBytes},
		queue:      newQueue(),
		stopped:    make(chan struct{}),
		segments:   inv.segments,
		bytes:      inv.setAside,
		unreadable: len(inv.unreadable),
		sums:       inv.state,
		lastID:     inv.lastID,
	}
	s.stuck.spool = s
	for _, err := range inv.unreadable {
		s.failed("leave segment alone", err)
	}
	if inv.stateErr != nil {
		s.failed("cannot use the state file", inv.stateErr)
		s.setStateAside()
	}
	for _, g := range s.segments {
		if found, ok := inv.unfooted[g]; ok {
			s.repair(g, found)
		}
		s.bytes += g.size
	}
	if err := s.saveState(); err != nil && !DiskFull(err) {
		return nil, fmt.Errorf("open spool: %w", err)
	}
	if err := s.stuck.open(); err != nil {
		return nil, fmt.Errorf("open spool: %w", err)
	}
	go s.write()
	return s, nil
}

// Close writes what is queued, seals the active segment, makes releases durable
// and ends the writer. Appends then return ErrClosed; Readers see the rest of
// what was committed and then ErrClosed.
func (s *Spool) Close() error {
	s.queue.close()
	<-s.stopped
	err := s.saveState()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.wakeReaders()
	return err
}

// failed remembers and logs what nobody is waiting for.
func (s *Spool) failed(what string, err error) {
	s.log.Error("spool: "+what, "err", err)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lastErr = fmt.Errorf("%s: %w", what, err)
}

// find returns the segment with an id, or the next one. s.mu is held.
func (s *Spool) find(id uint64) (g *segment, exact bool) {
	i, exact := slices.BinarySearchFunc(s.segments, id, func(g *segment, id uint64) int {
		switch {
		case g.id < id:
			return -1
		case g.id > id:
			return 1
		}
		return 0
	})
	if i == len(s.segments) {
		return nil, false
	}
	return s.segments[i], exact
}

// wakeReaders lets those go on who wait for more. s.mu is held.
func (s *Spool) wakeReaders() {
	if s.grown != nil {
		close(s.grown)
		s.grown = nil
	}
}
