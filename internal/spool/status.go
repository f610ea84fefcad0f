package spool

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"time"

	"appliance/internal/durable"
)

// Status is what a spool holds and what became of the rest. In spans, Pending +
// Stuck + Released + Lost is all that was ever kept here.
type Status struct {
	Bytes    int64 `json:"bytes"`               // of segment files, preallocated space included
	MaxBytes int64 `json:"max_bytes,omitempty"` // 0 from Inspect
	Pending  Tally `json:"pending"`
	Stuck    Tally `json:"stuck"` // set aside, since it cannot leave for now
	Released Tally `json:"released"`
	Lost     Tally `json:"lost"` // to damage, as far as it has been read
	// Torn counts what crashes left half-written and was cut off.
	Torn Torn `json:"torn"`
	// Oldest is the time of the oldest pending record, zero when there is none.
	Oldest   time.Time       `json:"oldest,omitzero"`
	Segments []SegmentStatus `json:"segments"`
	// Sifted is what a Sieve has left out. It is counted above too: what is left
	// out is pending until its record is released.
	Sifted *Sifted `json:"sifted,omitempty"`
	// of the pending: no rule has decided yet
	Undecided          Counts `json:"undecided,omitzero"`
	UnreadableSegments int    `json:"unreadable_segments"`
	QuarantinedFiles   int    `json:"quarantined_files"`
	QuarantinedBytes   int64  `json:"quarantined_bytes"`

	LastError string `json:"last_error,omitempty"`

	*Activity // nil from Inspect, which knows nothing of a process
}

// Activity is of this process, since Open.
type Activity struct {
	Appended Counts `json:"appended"`
	Syncs    int64  `json:"syncs"` // groups committed
}

// SegmentStatus is one segment file.
type SegmentStatus struct {
	Name    string    `json:"name"`
	ID      uint64    `json:"id"`
	Bytes   int64     `json:"bytes"`
	Total   Counts    `json:"total"`
	Pending Counts    `json:"pending"`
	Oldest  time.Time `json:"oldest,omitzero"` // first record, pending or not
	// Sealed segments are not written to any more. Nil from Inspect where no
	// footer says so: a process may be writing, or a crash have ended that.
	Sealed *bool `json:"sealed,omitempty"`
}

// Status describes the spool as it is now. A quarantine that cannot be listed
// counts as empty.
func (s *Spool) Status() Status {
	s.stuck.mu.RLock()
	defer s.stuck.mu.RUnlock()
	held, files := s.quarantined()
	oldest := s.oldest()
	undecided := s.Undecided()
	s.mu.Lock()
	defer s.mu.Unlock()
	st := Status{
		Bytes:              s.bytes,
		MaxBytes:           s.opts.MaxBytes,
		Torn:               s.sums.Torn,
		Oldest:             oldest,
		UnreadableSegments: s.unreadable,
		QuarantinedFiles:   len(files),
		QuarantinedBytes:   held,
		Activity:           &Activity{Appended: s.appended, Syncs: s.syncs.Load()},
	}
	if s.sift.sieve != nil {
		sums := s.sift.sums.clone()
		st.Sifted, st.Undecided = &sums, undecided
	}
	if s.lastErr != nil {
		st.LastError = s.lastErr.Error()
	}
	st.Released.addAll(s.sums.Released)
	st.Lost.addAll(s.sums.Lost)
	for _, g := range s.vanished {
		f := g.fate()
		st.Released.addAll(f.Released)
		st.Lost.addAll(f.Lost)
	}
	for _, g := range slices.Concat(s.doomed, s.segments) {
		lost := g.lostSoFar()
		st.Pending.addAll(g.total.minus(g.gone))
		st.Released.addAll(g.gone.minus(lost))
		st.Lost.addAll(lost)
		sg := SegmentStatus{
			Name: g.fileName(), ID: g.id, Bytes: g.size, Sealed: new(g.sealed),
			Total: g.total.Counts, Pending: g.total.Counts.minus(g.gone.Counts),
		}
		if g.oldest != 0 {
			sg.Oldest = time.Unix(0, g.oldest)
		}
		st.Segments = append(st.Segments, sg)
	}
	s.stuck.addTo(&st)
	return st
}

// quarantined is what the quarantine holds.
func (s *Spool) quarantined() (held int64, files []quarantined) {
	held, files, err := s.quarantine.usage()
	s.mu.Lock()
	first := err != nil && !s.unlisted
	s.unlisted = err != nil
	s.mu.Unlock()
	if first { // who asks for the status asks again and again
		s.failed("list quarantine", err)
	}
	return held, files
}

// oldest is the time of the first pending record; where the disk does not give
// it, that of the first one in its segment.
func (s *Spool) oldest() time.Time {
	s.mu.Lock()
	from, first := Position{}, int64(0)
	for _, g := range s.segments {
		if g.left() > 0 {
			from.Segment, first = g.id, g.oldest
			break
		}
	}
	s.mu.Unlock()
	if from.Segment == 0 {
		return time.Time{}
	}
	for i, err := range s.Pending(from) {
		if errors.Is(err, fs.ErrNotExist) {
			break // deleted by a server that is running beside us
		}
		if err != nil && first != 0 {
			return time.Unix(0, first)
		}
		return i.Time
	}
	return time.Time{}
}

// Inspect describes the spool in dir without changing anything, with or
// without a server that is running there. fsys nil is durable.OS.
func Inspect(fsys durable.FS, dir string) (Status, error) {
	opts := Options{FS: fsys}.withDefaults()
	inv, err := takeInventory(opts.FS, dir)
	if err != nil {
		return Status{}, fmt.Errorf("inspect spool: %w", err)
	}
	// A spool without a writer: it counts damage, but keeps no copies.
	s := &Spool{
		opts:       opts,
		dir:        dir,
		log:        opts.Logger,
		quarantine: quarantine{opts.FS, filepath.Join(dir, quarantineName), 0},
		segments:   inv.segments,
		bytes:      inv.setAside,
		unreadable: len(inv.unreadable),
		sums:       inv.state,
		lastErr:    inv.stateErr,
	}
	for _, g := range inv.segments {
		s.bytes += g.size
		for _, d := range inv.unfooted[g].damage {
			if !d.Torn { // the tail may just be being written
				s.count(g, d)
			}
		}
	}
	if err := s.stuck.inspect(s); err != nil {
		return Status{}, fmt.Errorf("inspect spool: %w", err)
	}
	st := s.Status()
	st.MaxBytes, st.Activity = 0, nil
	for g := range inv.unfooted {
		for i := range st.Segments {
			if st.Segments[i].Name == g.fileName() {
				st.Segments[i].Sealed = nil
			}
		}
	}
	return st, nil
}
