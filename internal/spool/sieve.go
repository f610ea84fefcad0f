package spool

import (
	"fmt"
	"maps"
	"slices"
)

// A Sieve says what of the records is handed out: tail sampling. Records up to a
// gate are decided, and are handed out as the sieve says. Those behind it wait.
type Sieve interface {
	// Sift is what is handed out of a record before the gate: the same each time
	// it is asked, also after a crash. It may be asked by several goroutines.
	Sift(e Entry) (Entry, error)
	// Left is how many spans of a record before the gate are left out.
	Left(Position) (int64, error)
	// Undecided is how much is behind the gate.
	Undecided() Counts
}

// Sifted is what a Sieve leaves out. What is Pending is in records that are not
// released yet, by tenant; the others are of all times.
type Sifted struct {
	Pending map[string]int64 `json:"pending,omitempty"`
	Tenants map[string]int64 `json:"tenants,omitempty"`
	Rules   map[string]int64 `json:"rules,omitempty"`
}

// Decided is how many of the pending spans wait only to leave: those that are
// undecided, or left out, do not.
func (st *Status) Decided() int64 {
	n := st.Pending.Spans - st.Undecided.Spans
	if st.Sifted != nil {
		for _, left := range st.Sifted.Pending {
			n -= left
		}
	}
	return n
}

// LeftOut is spans that a rule leaves out.
type LeftOut struct {
	Tenant, Rule string
	Spans        int64
}

// sieving is the sieve of a Spool. Spool.mu guards what changes.
type sieving struct {
	sieve Sieve // nil: all is handed out as it was appended
	gate  Position
	moved chan struct{} // closed when the gate moves
	sums  Sifted
}

// SetSieve has all that is read from now on go through a sieve. gate is behind
// the last record that is decided, and sums is what was left out before. It is
// called at most once, before anything is read.
func (s *Spool) SetSieve(sieve Sieve, gate Position, sums Sifted) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sift = sieving{sieve, gate, make(chan struct{}), sums.clone()}
}

// Pass moves the gate behind records whose outcome is durable, and counts what is
// left out of them.
func (s *Spool) Pass(gate Position, left ...LeftOut) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sift.gate = gate
	for _, l := range left {
		s.sift.sums.Pending[l.Tenant] += l.Spans
		s.sift.sums.Tenants[l.Tenant] += l.Spans
		s.sift.sums.Rules[l.Rule] += l.Spans
	}
	close(s.sift.moved)
	s.sift.moved = make(chan struct{})
	s.wakeReaders()
}

// Decided says whether a record is before the gate, and returns a channel that
// is closed when the gate moves; nil where there is no sieve, and every record
// is decided.
func (s *Spool) Decided(pos Position) (bool, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sift.sieve == nil {
		return true, nil
	}
	return pos.Compare(s.sift.gate) < 0, s.sift.moved
}

// Undecided is how much is behind the gate of the sieve; nothing without one.
func (s *Spool) Undecided() Counts {
	if s.sift.sieve == nil {
		return Counts{}
	}
	return s.sift.sieve.Undecided()
}

// sifted is what is handed out of an entry. One that is not decided is as it was
// appended.
func (s *Spool) sifted(e Entry) (Entry, error) {
	if decided, moved := s.Decided(e.Position); moved == nil {
		return e, nil
	} else if !decided {
		e.Undecided = true
		return e, nil
	}
	out, err := s.sift.sieve.Sift(e)
	if err != nil {
		return e, fmt.Errorf("sift record %s: %w", e.Position, err)
	}
	return out, nil
}

// leftOf is how many spans of a record are left out.
func (s *Spool) leftOf(pos Position) (int64, error) {
	if decided, moved := s.Decided(pos); moved == nil || !decided {
		return 0, nil
	}
	return s.sift.sieve.Left(pos)
}

// behind says whether a record waits behind the gate. s.mu is held.
func (s *sieving) behind(pos Position) bool {
	return s.sieve != nil && pos.Compare(s.gate) >= 0
}

func (s Sifted) clone() Sifted {
	copied := func(m map[string]int64) map[string]int64 {
		if m == nil {
			return map[string]int64{}
		}
		return maps.Clone(m)
	}
	return Sifted{copied(s.Pending), copied(s.Tenants), copied(s.Rules)}
}

// Passed reads what is decided alone, as a Reader does: a record comes when its
// outcome is known, without the spans that are left out. One of which nothing is
// left is released, and not handed out.
func (s *Spool) Passed() *Reader { return &Reader{spool: s, passed: true} }

// ReaderFrom is NewReader from a record on.
func (s *Spool) ReaderFrom(pos Position) *Reader {
	return &Reader{spool: s, read: max(pos.Segment, 1) - 1, from: pos}
}

// End is behind the last record that was acknowledged.
func (s *Spool) End() Position {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.segments) == 0 {
		return Position{}
	}
	last := s.segments[len(s.segments)-1]
	return Position{last.id, last.end.offset}
}

// SegmentNames are those of the segments whose files are there: also of one that is
// finished, since a crash may forget that. The oldest come first.
func (s *Spool) SegmentNames() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	names := make([]string, 0, len(s.doomed)+len(s.segments))
	for _, g := range slices.Concat(s.doomed, s.segments) {
		names = append(names, g.identity.String())
	}
	return names
}
