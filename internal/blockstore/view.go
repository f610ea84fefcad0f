package blockstore

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"appliance/internal/block"
	"appliance/internal/live"
)

// Block is one block of the store.
type Block struct {
	Meta    block.Meta
	Dir     string
	Lineage *Lineage  // nil for one that we did not make
	had     time.Time // since when this process has it
	merging bool
	sealed  bool      // it was final
	aside   time.Time // until when it is not merged, since it cannot be read
	held
}

// part is live until its block is in place.
type part struct {
	*live.Part
	closed bool      // no more records are added
	failed int       // how often it could not be made a block
	guilty bool      // one record, for whose sake it cannot
	after  time.Time // when it is tried again, of one that is guilty
	held
}

// held is something that queries may be reading. The store's lock guards it.
type held struct {
	users int
	gone  func() error // what to do once no View has it; nil while new ones do
}

// View is each span of a tenant once, as they are at one moment. Until Close
// nothing of it is deleted.
type View struct {
	Blocks []*Block // newest first
	Live   []*live.Part
	store  *Store
	parts  []*part
	once   sync.Once
}

// View is the tenant's spans now.
func (s *Store) View(tenant string) *View {
	s.mu.Lock()
	defer s.mu.Unlock()
	v := &View{store: s}
	t := s.tenants[tenant]
	if t == nil {
		return v
	}
	v.Blocks = slices.Clone(t.blocks)
	for _, b := range v.Blocks {
		b.users++
	}
	v.parts = slices.Clone(t.parts)
	for _, p := range v.parts {
		p.users++
		v.Live = append(v.Live, p.Part)
	}
	return v
}

// Close gives back what the View holds.
func (v *View) Close() {
	v.once.Do(func() {
		v.store.mu.Lock()
		defer v.store.mu.Unlock()
		for _, b := range v.Blocks {
			b.users--
			v.store.settle(&b.held)
		}
		for _, p := range v.parts {
			p.users--
			v.store.settle(&p.held)
		}
	})
}

// hold is a View of some blocks alone. The caller calls done after.
func (s *Store) hold(blocks ...[]*Block) (done func()) {
	all := slices.Concat(blocks...)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, b := range all {
		b.users++
	}
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, b := range all {
			b.users--
			s.settle(&b.held)
		}
	}
}

// retire says that no new View shall have h; gone is called, without the lock,
// by the store's own goroutine when no View has it. s.mu is held.
func (s *Store) retire(h *held, gone func() error) {
	h.gone = gone
	s.settle(h)
}

// settle hands over what is to be done with h, if that time has come. s.mu is
// held.
func (s *Store) settle(h *held) {
	if h.gone == nil || h.users > 0 {
		return
	}
	s.later(h.gone)
	h.gone = nil
}

// Tenants are those that have spans here, sorted.
func (s *Store) Tenants() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var names []string
	for name, t := range s.tenants {
		if len(t.blocks) > 0 || len(t.parts) > 0 {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// cut is when its youngest record was cut; the zero time for a block that we did
// not make.
func (b *Block) cut() time.Time {
	if b.Lineage == nil {
		return time.Time{}
	}
	return b.Lineage.Cut
}

// cutBy is cut, or the zero time where that is still to come: the clock was ahead
// then, and to wait until it gets there would keep the block from being merged and
// archived.
func (b *Block) cutBy(now time.Time) time.Time {
	if cut := b.cut(); !cut.After(now) {
		return cut
	}
	return time.Time{}
}

// firstCut is when its oldest record was cut, as far as that is known.
func (b *Block) firstCut() time.Time {
	if b.Lineage != nil && !b.Lineage.FirstCut.IsZero() {
		return b.Lineage.FirstCut
	}
	return b.cut()
}

func newestFirst(a, b *Block) int {
	return cmp.Or(b.Meta.EndTime.Compare(a.Meta.EndTime), cmp.Compare(a.Meta.BlockID, b.Meta.BlockID))
}
