package archive

import (
	"context"
	"errors"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"appliance/archive/store"
	"appliance/internal/durable"
	"appliance/internal/wallclock"
)

// appliance runs an archiver of an embedded block store under a fake clock.
type appliance struct {
	*bench
	mu     sync.Mutex
	offset time.Duration // of the wall clock
	a      *Archiver
	stop   func()
}

const testRetention = 24 * time.Hour

// wall is the fake clock moved to some time before the blocks are due.
func (p *appliance) wall() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	fake := time.Since(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)) // where synctest begins
	return theTime.Add(fake + p.offset)
}

func (p *appliance) jump(by time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.offset += by
}

// delete is what the block store does when a block is to be purged. It fails
// the test unless the archive holds the very bytes that go.
func (p *appliance) delete(tenant, block string) bool {
	if !p.holds(tenant, block) {
		p.t.Errorf("block %s is to be deleted, and the archive has it not", block)
	}
	return deleter(durable.OS, p.src)(tenant, block)
}

// start begins a process; stop ends it. change may replace parts.
func (p *appliance) start(change func(*Options)) {
	p.t.Helper()
	p.a = p.archiver(func(o *Options) {
		o.Embedded = &Embedded{Retention: testRetention, Delete: p.delete}
		o.wall, o.Interval = p.wall, time.Minute
		if change != nil {
			change(o)
		}
	})
	ctx, cancel := context.WithCancel(p.t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := p.a.Run(ctx); err != nil {
			p.t.Error(err)
		}
	}()
	p.stop = func() { cancel(); <-done }
}

// after lets the fake time pass.
func (p *appliance) after(d time.Duration) Status {
	p.t.Helper()
	timer := time.NewTimer(d)
	<-timer.C
	synctest.Wait()
	return p.a.Status()
}

// inSource are the blocks of which anything is left.
func (p *appliance) inSource() []string {
	p.t.Helper()
	entries, err := os.ReadDir(filepath.Join(p.src, tenant))
	must(p.t, err)
	names := []string{}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func embedded(t *testing.T, run func(t *testing.T, p *appliance)) {
	t.Helper()
	p := &appliance{bench: newBench(t, embeddedDir(t))}
	synctest.Test(t, func(t *testing.T) {
		outer := p.t
		p.t = t
		defer func() { p.t = outer }()
		defer func() { p.stop() }() // the last one
		run(t, p)
	})
}

func TestPurge(t *testing.T) {
	t.Parallel()
	embedded(t, func(t *testing.T, p *appliance) {
		p.start(nil)
		// A clock of which nothing is known is on trial for an hour.
		s := p.after(wallclock.Trial - time.Minute)
		if s.PendingBlocks != 0 || s.ArchivedBlocks != 3 || s.Purge.HeldBlocks != 3 || s.Purge.HeldBytes != s.SourceBytes || !strings.Contains(s.Purge.Doubt, "no record") || *s.HeadroomSeconds != testRetention.Seconds() {
			t.Fatalf("%+v, %+v", s, s.Purge)
		}
		bytes := s.SourceBytes
		s = p.after(2 * time.Minute)
		if s.Purge.PurgedBlocks != 3 || s.Purge.PurgedBytes != bytes || s.Purge.HeldBlocks != 0 || s.Purge.Doubt != "" || s.SourceBlocks != 0 ||
			len(p.inSource()) != 0 || len(s.Failures) != 0 || len(s.Gaps) != 0 {
			t.Fatalf("%+v, %+v", s, s.Purge)
		}
		p.whole(levelZero...)
		// What was re-read counts as verified.
		p.stop()
		p.a.remember(t.Context(), true)
		for _, b := range p.list(Filter{}) {
			if b.VerifiedAt.IsZero() {
				t.Errorf("%+v", b)
			}
		}
		p.start(nil)
	})
}

// Headroom of the embedded store: all of the retention while nothing is
// pending, what is left to the oldest pending block, 0 from then on, and
// nothing is lost. It falls too while the source cannot be listed, and is not
// known before it was.
func TestEmbeddedHeadroom(t *testing.T) {
	t.Parallel()
	embedded(t, func(t *testing.T, p *appliance) {
		p.offset = time.Date(2026, 11, 22, 16, 0, 0, 0, time.UTC).Sub(theTime)
		var broken atomic.Bool
		broken.Store(true)
		fresh := func(o *Options) { o.Source = &failingSource{o.Source, broken.Load} }
		p.start(fresh)
		if s := p.after(time.Hour); s.HeadroomSeconds != nil || !s.LastScan.IsZero() {
			t.Errorf("never listed: %+v", s)
		}
		broken.Store(false)
		if s := p.after(2 * time.Minute); s.PendingBlocks != 0 || *s.HeadroomSeconds != testRetention.Seconds() {
			t.Errorf("nothing pending: %v, %+v", *s.HeadroomSeconds, s)
		}
		broken.Store(true)
		if s := p.after(10 * time.Hour); *s.HeadroomSeconds > 14*3600+60 || *s.HeadroomSeconds < 14*3600-120 {
			t.Errorf("not listed for 10 hours: %v", *s.HeadroomSeconds)
		}
		p.stop()
	})
	embedded(t, func(t *testing.T, p *appliance) {
		p.offset = time.Date(2026, 11, 22, 16, 0, 0, 0, time.UTC).Sub(theTime)
		p.start(func(o *Options) {
			o.Store = &faultyStore{p.store, func(op, name string) error {
				if op == "put" && !strings.Contains(name, blockA) {
					return store.ErrFull
				}
				return nil
			}}
		})
		s := p.after(time.Hour)
		oldest := time.Duration(1<<63 - 1)
		p.a.mu.Lock()
		for r, k := range p.a.known {
			if r.block != blockA {
				oldest = min(oldest, k.end.Sub(p.wall())+testRetention)
			}
		}
		p.a.mu.Unlock()
		if s.PendingBlocks != 2 || *s.HeadroomSeconds != oldest.Seconds() || oldest > 23*time.Hour || oldest < 22*time.Hour {
			t.Errorf("two pending: %v, want %v; %+v", *s.HeadroomSeconds, oldest, s)
		}
		if s = p.after(24 * time.Hour); *s.HeadroomSeconds != 0 || s.Purge.HeldBlocks < 2 || len(p.inSource()) < 2 {
			t.Errorf("over: %v, %+v", *s.HeadroomSeconds, s.Purge)
		}
	})
}

// Younger blocks stay, however long we run.
func TestPurgeKeepsTheYoung(t *testing.T) {
	t.Parallel()
	embedded(t, func(t *testing.T, p *appliance) {
		p.offset = time.Date(2026, 11, 22, 16, 0, 0, 0, time.UTC).Sub(theTime)
		p.start(nil)
		if s := p.after(23 * time.Hour); s.Purge.HeldBlocks != 0 || len(p.inSource()) != 3 || s.Purge.Doubt != "" {
			t.Fatalf("%+v", s.Purge)
		}
		if s := p.after(2 * time.Hour); s.Purge.PurgedBlocks != 3 {
			t.Fatalf("%+v", s.Purge)
		}
	})
}

// Spans of a client whose clock is years ahead do not keep their block until then.
func TestPurgeOfSpansFromTheFuture(t *testing.T) {
	t.Parallel()
	embedded(t, func(t *testing.T, p *appliance) {
		p.offset = time.Date(2016, 1, 1, 0, 0, 0, 0, time.UTC).Sub(theTime)
		p.start(nil)
		if s := p.after(testRetention - time.Hour); s.Purge.HeldBlocks != 0 || len(p.inSource()) != 3 || s.ArchivedBlocks != 3 {
			t.Fatalf("%+v", s.Purge)
		}
		if s := p.after(2 * time.Hour); s.Purge.PurgedBlocks != 3 || s.Purge.Doubt != "" {
			t.Fatalf("%+v", s.Purge)
		}
	})
	end, archived := theTime.Add(time.Hour), theTime.Add(-time.Hour)
	b := Block{End: end, ArchivedAt: archived}
	if got := b.ageFrom(theTime); !got.Equal(archived) {
		t.Errorf("the age of a block of the future counts from %s", got)
	}
	if got := b.ageFrom(end); !got.Equal(end) {
		t.Errorf("the age of a block of the past counts from %s", got)
	}
}

// The clock needs no trial after a short pause, however short the retention is,
// and with it the trial.
func TestPurgeOverARestart(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ retention, interval, before time.Duration }{
		"a day":    {testRetention, time.Minute, wallclock.Trial + time.Minute},
		"a minute": {time.Minute, 10 * time.Second, 4*time.Minute + 55*time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			embedded(t, func(t *testing.T, p *appliance) {
				terms := func(o *Options) { o.Embedded.Retention, o.Interval = c.retention, c.interval }
				p.start(func(o *Options) {
					terms(o)
					o.Embedded.Delete = func(string, string) bool { return false }
				})
				if s := p.after(c.before); s.Purge.PurgedBlocks != 0 || s.Purge.Doubt != "" {
					t.Fatalf("%+v", s.Purge)
				}
				p.stop()
				p.start(terms)
				if s := p.after(time.Second); s.Purge.PurgedBlocks != 3 || s.Purge.Doubt != "" {
					t.Fatalf("%+v", s.Purge)
				}
			})
		})
	}
}

func TestClockJumps(t *testing.T) {
	t.Parallel()
	// A jump forward makes young blocks look old. A jump back does not, so
	// there the blocks are due from the start, and the jump comes while the
	// clock is still on trial.
	young := time.Date(2026, 11, 22, 16, 0, 0, 0, time.UTC).Sub(theTime)
	for name, c := range map[string]struct {
		jump    time.Duration
		restart bool
		offset  time.Duration
		before  time.Duration
		doubt   string
	}{
		"forward":                   {25 * time.Hour, false, young, 2 * time.Hour, "jumped by 25h"},
		"back":                      {-25 * time.Hour, false, 0, 50 * time.Minute, "jumped by -25h"},
		"forward while not running": {25 * time.Hour, true, young, 2 * time.Hour, "the last record of the time is 25h"},
		"back while not running":    {-25 * time.Hour, true, 0, 50 * time.Minute, "behind the last record"},
	} {
		t.Run(name, func(t *testing.T) {
			embedded(t, func(t *testing.T, p *appliance) {
				p.offset = c.offset
				p.start(nil)
				if s := p.after(c.before); s.Purge.PurgedBlocks != 0 {
					t.Fatalf("%+v", s.Purge)
				}
				if c.restart {
					p.stop()
				}
				p.jump(c.jump)
				if c.restart {
					p.start(nil)
				}
				if s := p.after(50 * time.Minute); !strings.Contains(s.Purge.Doubt, c.doubt) || s.Purge.HeldBlocks != 3 || len(p.inSource()) != 3 {
					t.Fatalf("%+v", s.Purge)
				}
				// A second jump, however far, begins a new trial.
				p.jump(2 * time.Hour)
				if s := p.after(50 * time.Minute); !strings.Contains(s.Purge.Doubt, "jumped by 2h") || s.Purge.HeldBlocks != 3 {
					t.Fatalf("%+v", s.Purge)
				}
				if s := p.after(12 * time.Minute); s.Purge.Doubt != "" || s.Purge.PurgedBlocks != 3 {
					t.Fatalf("%+v", s.Purge)
				}
			})
		})
	}
}

// A full or failing store: nothing is purged, and it is said.
func TestStoreFails(t *testing.T) {
	t.Parallel()
	for cause, failure := range map[string]error{CauseFull: store.ErrFull, CauseDenied: store.ErrDenied, CauseStore: errors.New("connection reset")} {
		t.Run(cause, func(t *testing.T) {
			embedded(t, func(t *testing.T, p *appliance) {
				broken := true
				var mu sync.Mutex
				set := func(v bool) { mu.Lock(); broken = v; mu.Unlock() }
				p.start(func(o *Options) {
					o.Store = &faultyStore{p.store, func(op, name string) error {
						mu.Lock()
						defer mu.Unlock()
						if broken && op == "put" && strings.Contains(name, blockB) {
							return failure
						}
						return nil
					}}
				})
				s := p.after(3 * time.Hour)
				if !strings.Contains(s.Purge.Doubt, cause) || s.Purge.HeldBlocks != 3 || s.PendingBlocks != 1 || s.Failures[cause] < 100 || s.LagSeconds < 3*3600-60 || len(p.inSource()) != 3 {
					t.Fatalf("%+v, %+v", s, s.Purge)
				}
				set(false)
				if s := p.after(time.Hour); s.Purge.PurgedBlocks != 3 || s.Purge.Doubt != "" {
					t.Fatalf("%+v", s.Purge)
				}
				p.whole(levelZero...)
			})
		})
	}
}

// A store that cannot be read when a block is to be proven.
func TestStoreCannotBeRead(t *testing.T) {
	t.Parallel()
	embedded(t, func(t *testing.T, p *appliance) {
		var mu sync.Mutex
		broken := false
		p.start(func(o *Options) {
			o.Store = &faultyStore{p.store, func(op, name string) error {
				mu.Lock()
				defer mu.Unlock()
				if broken && op == "open" {
					return errors.New("input/output error")
				}
				return nil
			}}
		})
		p.after(time.Minute)
		mu.Lock()
		broken = true
		mu.Unlock()
		s := p.after(3 * time.Hour)
		if s.Purge.Doubt == "" || s.Purge.HeldBlocks != 3 || s.Failures[CausePurge] == 0 {
			t.Fatalf("%+v, %+v", s, s.Purge)
		}
	})
}

// A damaged archived copy is no copy: the block is archived again before it goes.
func TestDamagedCopyIsReplacedBeforePurge(t *testing.T) {
	t.Parallel()
	for _, file := range []string{dataName, "bloom-0", "index", MetaName, ManifestName} {
		t.Run(file, func(t *testing.T) {
			embedded(t, func(t *testing.T, p *appliance) {
				p.start(nil)
				p.after(time.Minute)
				flip(t, filepath.Join(p.dst, tenant, blockA, file), 20)
				s := p.after(3 * time.Hour)
				if s.Purge.PurgedBlocks != 3 || s.Conflicts != 1 {
					t.Fatalf("%+v, %+v", s, s.Purge)
				}
				whole := 0
				for _, b := range p.list(Filter{}) {
					if b.DerivedFrom == blockA && b.State == StateArchived {
						whole++
					}
				}
				rep := p.verify()
				if whole != 1 || len(rep.Damage) != 1 || rep.Damage[0].Block != blockA || rep.Damage[0].File != file {
					t.Errorf("%d whole, %+v", whole, rep)
				}
				if got := states(p.list(Filter{}))[blockA]; got != StateDamaged {
					t.Errorf("the damaged copy is listed as %s", got)
				}
			})
		})
	}
}

// So is one whose manifest and files somebody took away.
func TestTakenAwayCopy(t *testing.T) {
	t.Parallel()
	embedded(t, func(t *testing.T, p *appliance) {
		p.start(nil)
		p.after(time.Minute)
		must(t, os.RemoveAll(filepath.Join(p.dst, tenant, blockA)))
		if s := p.after(3 * time.Hour); s.Purge.PurgedBlocks != 3 || s.ArchivedBlocks != 4 {
			t.Fatalf("%+v, %+v", s, s.Purge)
		}
		p.whole(levelZero...)
	})
}

// A block that was written again with other bytes of equal sizes and an equal
// meta.json is found when it is proven.
func TestSourceDiffersFromCopy(t *testing.T) {
	t.Parallel()
	embedded(t, func(t *testing.T, p *appliance) {
		p.start(nil)
		p.after(time.Minute)
		flip(t, filepath.Join(p.src, tenant, blockA, "bloom-0"), 5000)
		want := tree(t, filepath.Join(p.src, tenant, blockA), nil)
		s := p.after(3 * time.Hour)
		if s.Purge.PurgedBlocks != 3 || s.Conflicts != 1 {
			t.Fatalf("%+v, %+v", s, s.Purge)
		}
		p.whole(levelZero...)
		for _, b := range p.list(Filter{}) {
			if b.DerivedFrom == blockA {
				got := tree(t, filepath.Join(p.dst, tenant, b.ID), nil)
				if got["bloom-0"] != want["bloom-0"] {
					t.Error("the bytes that were purged are not archived")
				}
			}
		}
	})
}

// A damaged catalog stops purging until it was rebuilt.
func TestDamagedCatalogStopsPurging(t *testing.T) {
	t.Parallel()
	embedded(t, func(t *testing.T, p *appliance) {
		p.start(nil)
		p.after(2*time.Minute + wallclock.Trial/2)
		p.stop()
		must(t, p.store.Replace(t.Context(), catalogName, []byte("garbage")))
		p.start(nil)
		s := p.after(time.Second)
		if s.Failures[CauseCatalog] != 1 || !strings.Contains(s.Purge.Doubt, CauseCatalog) {
			t.Fatalf("%+v, %+v", s, s.Purge)
		}
		if s := p.after(2 * time.Hour); s.Purge.PurgedBlocks != 3 || s.Purge.Doubt != "" {
			t.Fatalf("%+v", s.Purge)
		}
		if inv, err := takeInventory(t.Context(), p.store); err != nil || inv.catalogErr != nil || len(inv.missing) != 0 {
			t.Errorf("%+v, %v", inv, err)
		}
	})
}

// A block of which the disk gives nothing holds up no other: they are archived,
// and purged. It is pending, and stays.
func TestOneUnreadableBlockHoldsUpNoPurge(t *testing.T) {
	t.Parallel()
	embedded(t, func(t *testing.T, p *appliance) {
		p.start(func(o *Options) { o.Source = &brokenSource{o.Source, tenant + "/" + blockB} })
		s := p.after(2 * wallclock.Trial)
		if s.Purge.PurgedBlocks != 2 || s.PendingBlocks != 1 || s.Failures[CauseSource] == 0 || s.Purge.Doubt != "" || len(s.Gaps) != 0 {
			t.Errorf("%+v, %+v", s, s.Purge)
		}
		if left := p.inSource(); len(left) != 1 || left[0] != blockB {
			t.Errorf("%v are left in the source", left)
		}
	})
}

// The same of one that was archived before: it cannot be proven, and stays.
func TestOneArchivedBlockThatIsNotReadHoldsUpNoPurge(t *testing.T) {
	t.Parallel()
	embedded(t, func(t *testing.T, p *appliance) {
		var broken atomic.Bool
		p.start(func(o *Options) { o.Source = &sometimesBroken{o.Source, tenant + "/" + blockB, broken.Load} })
		if s := p.after(wallclock.Trial / 2); s.ArchivedBlocks != 3 {
			t.Errorf("%+v", s)
		}
		broken.Store(true)
		s := p.after(2 * wallclock.Trial)
		if s.Purge.PurgedBlocks != 2 || s.Purge.HeldBlocks != 1 || s.Failures[CauseSource] == 0 || s.Purge.Doubt != "" || len(s.Gaps) != 0 {
			t.Errorf("%+v, %+v", s, s.Purge)
		}
		broken.Store(false)
		if s := p.after(wallclock.Trial); s.Purge.PurgedBlocks != 3 || s.Purge.HeldBlocks != 0 {
			t.Errorf("%+v, %+v", s, s.Purge)
		}
	})
}

// sometimesBroken is a brokenSource while broken says so.
type sometimesBroken struct {
	Source
	dir    string
	broken func() bool
}

func (s *sometimesBroken) List(ctx context.Context, dir string) iter.Seq2[store.Entry, error] {
	if s.broken() {
		return (&brokenSource{s.Source, s.dir}).List(ctx, dir)
	}
	return s.Source.List(ctx, dir)
}
