package archive

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"appliance/internal/wallclock"
)

// archiverElsewhere is one for several terms.
func (p *appliance) archiverElsewhere(change func(*Options)) *Archiver {
	p.t.Helper()
	return p.archiver(func(o *Options) {
		o.wall, o.Interval = p.wall, time.Minute
		if change != nil {
			change(o)
		}
	})
}

// term begins one of an archiver; stop ends it.
func (p *appliance) term(a *Archiver) {
	p.a = a
	ctx, cancel := context.WithCancel(p.t.Context())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx); close(done) }()
	p.stop = func() {
		cancel()
		if err := <-done; err != nil {
			p.t.Error(err)
		}
	}
}

// An archiver that gets the lock back after another has had it begins with what
// that wrote down: neither was the source not looked at meanwhile, nor did what
// the other archived vanish.
func TestArchiverAfterTheTermOfAnother(t *testing.T) {
	t.Parallel()
	src := levelZeroDir(t)
	dir := filepath.Join(src, tenant, blockA)
	elsewhere(t, src, func(t *testing.T, p *appliance) {
		flip(t, filepath.Join(dir, dataName), 0)
		one, other := p.archiverElsewhere(nil), p.archiverElsewhere(nil)
		p.term(one)
		if s := p.after(10 * time.Minute); s.PendingBlocks != 1 || s.ArchivedBlocks != 2 {
			t.Fatalf("%+v", s)
		}
		p.stop()
		flip(t, filepath.Join(dir, dataName), 0) // it was the reading
		p.term(other)
		if s := p.after(time.Hour); s.PendingBlocks != 0 || s.ArchivedBlocks != 1 {
			t.Fatalf("%+v", s)
		}
		must(t, os.RemoveAll(dir))
		p.after(time.Hour)
		p.stop()
		p.term(one)
		s := p.after(10 * time.Minute)
		if len(s.Gaps) != 0 || s.Failures[CauseGone] != 0 || s.PendingBlocks != 0 || s.SourceBlocks != 2 || *s.HeadroomSeconds < 50*60 {
			t.Errorf("%+v", s)
		}
		if m, err := recall(t.Context(), p.store, one.opt.Origin); err != nil || len(m.Gaps) != 0 {
			t.Errorf("%+v, %v", m.Gaps, err)
		}
		p.whole(levelZero...)
	})
}

// What was not looked at between two terms is a gap, as between two processes,
// and what the end of a term kept from being written down is written down with
// the next.
func TestGapsOverTerms(t *testing.T) {
	t.Parallel()
	src := levelZeroDir(t)
	dir := filepath.Join(src, tenant, blockA)
	elsewhere(t, src, func(t *testing.T, p *appliance) {
		flip(t, filepath.Join(dir, dataName), 0)
		var ill, unlisted atomic.Bool
		a := p.archiverElsewhere(func(o *Options) {
			o.Source = &failingSource{o.Source, unlisted.Load}
			o.Store = &faultyStore{o.Store, func(op, _ string) error {
				if ill.Load() && op == "replace" {
					return errors.New("no answer")
				}
				return nil
			}}
		})
		p.term(a)
		p.after(time.Minute)
		ill.Store(true)
		must(t, os.RemoveAll(dir))
		if s := p.after(30 * time.Minute); len(s.Gaps) != 1 || s.Gaps[0].Block != blockA {
			t.Errorf("%+v", s)
		}
		p.stop()
		ill.Store(false)
		p.after(40 * time.Minute) // 70 minutes since anything was written down
		p.term(a)
		if s := p.after(time.Minute); len(s.Gaps) != 1 || s.Gaps[0].Block != blockA {
			t.Errorf("%+v", s)
		}
		if m, err := recall(t.Context(), p.store, a.opt.Origin); err != nil || len(m.Gaps) != 1 {
			t.Errorf("%+v, %v", m.Gaps, err)
		}
		p.stop()
		p.after(2 * time.Hour)
		unlisted.Store(true)
		p.term(a)
		if s := p.after(30 * time.Second); !s.LastScan.IsZero() || s.SourceBlocks != 0 {
			t.Errorf("what was known in the last term is shown in this: %+v", s)
		}
		unlisted.Store(false)
		if s := p.after(time.Minute); len(s.Gaps) != 2 || s.Gaps[1].Block != "" || s.Gaps[1].To.Sub(s.Gaps[1].From) < 2*time.Hour {
			t.Errorf("%+v", s.Gaps)
		}
	})
}

// The embedded store is nobody else's: a clock on trial stays on it, and one
// that is trusted stays trusted.
func TestEmbeddedOverTerms(t *testing.T) {
	t.Parallel()
	embedded(t, func(t *testing.T, p *appliance) {
		p.start(nil)
		p.after(10 * time.Minute)
		p.stop()
		p.jump(25 * time.Hour)
		p.term(p.a)
		if s := p.after(wallclock.Trial - 5*time.Minute); s.Purge.PurgedBlocks != 0 || s.Purge.HeldBlocks != 3 {
			t.Fatalf("%+v", s.Purge)
		}
		p.stop()
		p.term(p.a)
		if s := p.after(10 * time.Minute); s.Purge.PurgedBlocks != 3 {
			t.Errorf("%+v", s.Purge)
		}
	})
}
