package ledger

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"

	"pgregory.net/rapid"

	"appliance/internal/durable"
	"appliance/internal/durable/crashfs"
	"appliance/internal/spool"
)

const path = "/ledger.json"

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// tally is counts of spans by tenant.
type tally map[string]int64

func (n tally) of() spool.Tally {
	t := spool.Tally{Tenants: map[string]spool.Counts{}}
	for tenant, spans := range n {
		t.Tenants[tenant] = spool.Counts{Spans: spans}
		t.Spans += spans
	}
	return t
}

// balanced holds an account against its equations.
func balanced(a Account) error {
	if a.Received != a.Kept+sum(a.SampledOut)+sum(a.Rejected) {
		return fmt.Errorf("received is not kept, sampled out and rejected: %+v", a)
	}
	if a.Kept != a.Pending+a.Stuck+a.Proven+sum(a.Discarded)+a.Damaged+a.Unaccounted {
		return fmt.Errorf("kept is not pending, stuck, proven, discarded, damaged and unaccounted: %+v", a)
	}
	var kept, proven, discarded int64
	for name, t := range a.Tenants {
		if t.Kept != t.Pending+t.Stuck+t.Proven+sum(t.Discarded)+t.Damaged {
			return fmt.Errorf("tenant %s: %+v", name, t)
		}
		kept, proven, discarded = kept+t.Kept, proven+t.Proven, discarded+sum(t.Discarded)
	}
	if kept != a.Kept-a.Unaccounted || proven != a.Proven || discarded != sum(a.Discarded) {
		return fmt.Errorf("tenants do not add up: %+v", a)
	}
	if a.Proven < 0 || a.Unaccounted < 0 {
		return fmt.Errorf("less than nothing: %+v", a)
	}
	return nil
}

// model is an appliance whose spool may forget releases in a crash, as the real one.
type model struct {
	fs     *crashfs.FS
	ledger *Ledger
	run    Counts

	pending, stuck, released, lost tally
	forgettable                    []func() // undo the releases since the last checkpoint

	kept, safe int64 // acknowledged, and of these saved
	deleted    bool  // the spool was lost
}

func (m *model) status() spool.Status {
	return spool.Status{Pending: m.pending.of(), Stuck: m.stuck.of(), Released: m.released.of(), Lost: m.lost.of()}
}

func (m *model) open(t *rapid.T) {
	l, err := Open(m.fs, path, m.status())
	if err != nil {
		t.Fatal(err)
	}
	// what was acknowledged in the last second can be forgotten with the spool
	m.kept = max(m.safe, total(m.status()))
	m.ledger, m.run = l, Counts{SampledOut: map[string]int64{}, Rejected: map[string]int64{}}
}

func (m *model) release(tenant string, n int64) {
	m.pending[tenant] -= n
	m.released[tenant] += n
	m.forgettable = append(m.forgettable, func() { m.pending[tenant] += n; m.released[tenant] -= n })
}

// setAside is undone by a crash that forgets the release, for as many as are still stuck.
func (m *model) setAside(tenant string, n int64) {
	m.pending[tenant] -= n
	m.stuck[tenant] += n
	m.forgettable = append(m.forgettable, func() {
		left := min(n, m.stuck[tenant])
		m.pending[tenant] += n
		m.stuck[tenant] -= left
		m.released[tenant] -= n - left
	})
}

// The account balances after any operations and crashes; nothing is unaccounted
// for while the spool is there, and all that was acknowledged and saved is when
// it was deleted.
func TestBalance(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &model{fs: crashfs.New(), pending: tally{}, stuck: tally{}, released: tally{}, lost: tally{}}
		m.open(t)
		tenant := func() string { return rapid.SampledFrom([]string{"", "a", "b"}).Draw(t, "tenant") }
		some := func(of int64) int64 { return rapid.Int64Range(0, of).Draw(t, "spans") }
		t.Repeat(map[string]func(*rapid.T){
			"keep": func(*rapid.T) {
				n := some(50)
				m.pending[tenant()] += n
				m.run.Kept += n
				m.kept += n
			},
			"kept without an acknowledgement": func(*rapid.T) { m.crash(t); m.pending[tenant()] += some(5); m.open(t) },
			"sample out":                      func(*rapid.T) { m.run.SampledOut["random"] += some(50) },
			"reject":                          func(*rapid.T) { m.run.Rejected["bad"] += some(50) },
			"prove":                           func(*rapid.T) { name := tenant(); m.release(name, some(m.pending[name])) },
			"set aside":                       func(*rapid.T) { name := tenant(); m.setAside(name, some(m.pending[name])) },
			"drop what is stuck": func(*rapid.T) {
				name := tenant()
				n := some(m.stuck[name])
				m.stuck[name] -= n
				m.released[name] += n
				m.ledger.Discard(name, "operator", int(n))
			},
			"discard": func(*rapid.T) {
				name := tenant()
				n := some(m.pending[name])
				before := m.status() // as somebody read it just before
				m.release(name, n)
				m.ledger.Discard(name, "too_large", int(n))
				if err := balanced(m.ledger.Balance(m.run, before)); err != nil {
					t.Fatal("while spans are discarded: ", err)
				}
			},
			"damage": func(*rapid.T) {
				name := tenant()
				n := some(m.pending[name])
				m.pending[name] -= n
				m.lost[name] += n
			},
			"checkpoint": func(*rapid.T) { m.forgettable = nil },
			"save": func(*rapid.T) {
				if err := m.ledger.Save(m.run); err != nil {
					t.Fatal(err)
				}
				m.safe = m.kept
			},
			"crash": func(*rapid.T) { m.crash(t); m.open(t) },
			"delete the spool": func(*rapid.T) {
				m.crash(t)
				m.pending, m.stuck, m.released, m.lost = tally{}, tally{}, tally{}, tally{}
				m.deleted = true
				m.open(t)
			},
			"": func(t *rapid.T) {
				a := m.ledger.Balance(m.run, m.status())
				if err := balanced(a); err != nil {
					t.Fatal(err)
				}
				st := m.status()
				switch {
				case !m.deleted && a.Unaccounted != 0:
					t.Fatalf("%d spans are unaccounted for, and none is lost", a.Unaccounted)
				case a.Unaccounted != m.kept-total(st):
					t.Fatalf("%d spans are unaccounted for; %d were acknowledged, and the spool knows of %d", a.Unaccounted, m.kept, total(st))
				}
			},
		})
	})
}

// crash ends the process and the machine; the releases since the last checkpoint are forgotten.
func (m *model) crash(t *rapid.T) {
	m.fs = m.fs.PowerCut(crashfs.Scramble, rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1)))
	for _, undo := range m.forgettable {
		undo()
	}
	m.forgettable = nil
}

// Discards that were saved, and whose release a crash forgot, are counted once
// when they happen again.
func TestDiscardsAreCountedOnce(t *testing.T) {
	fsys := crashfs.New()
	l, err := Open(fsys, path, spool.Status{})
	must(t, err)
	l.Discard("a", "too_large", 10)
	must(t, l.Save(Counts{Kept: 100}))
	l, err = Open(fsys.Kill(), path, spool.Status{Pending: tally{"a": 100}.of()})
	must(t, err)
	l.Discard("a", "too_large", 10)
	a := l.Balance(Counts{}, spool.Status{Released: tally{"a": 100}.of()})
	if a.Proven != 90 || a.Discarded["too_large"] != 10 || balanced(a) != nil {
		t.Errorf("%+v", a)
	}
}

// The spool's directory was deleted: what it had is unaccounted for, also in the runs after that.
func TestDeletedSpool(t *testing.T) {
	fsys := crashfs.New()
	l, err := Open(fsys, path, spool.Status{})
	must(t, err)
	must(t, l.Save(Counts{Kept: 100}))
	for range 3 {
		l, err = Open(fsys, path, spool.Status{})
		must(t, err)
		if a := l.Balance(Counts{}, spool.Status{}); a.Unaccounted != 100 || balanced(a) != nil {
			t.Fatalf("%+v", a)
		}
		must(t, l.Save(Counts{}))
	}
	a := l.Balance(Counts{Kept: 7}, spool.Status{Pending: tally{"": 7}.of()})
	if a.Unaccounted != 100 || a.Kept != 107 || balanced(a) != nil {
		t.Errorf("%+v", a)
	}
}

// Counts go on over runs.
func TestRunsAddUp(t *testing.T) {
	fsys := crashfs.New()
	var st spool.Status
	for n := int64(1); n <= 3; n++ {
		l, err := Open(fsys, path, st)
		must(t, err)
		run := Counts{Kept: 10, SampledOut: map[string]int64{"random": 5}, Rejected: map[string]int64{"bad": 2}}
		st = spool.Status{Pending: tally{"a": 10 * n}.of()}
		a := l.Balance(run, st)
		if a.Received != 17*n || a.SampledOut["random"] != 5*n || a.Rejected["bad"] != 2*n || balanced(a) != nil {
			t.Errorf("run %d: %+v", n, a)
		}
		must(t, l.Save(run))
	}
}

// What cannot be read is kept beside: a person may make sense of it, or the disk give it later.
func TestDamagedFile(t *testing.T) {
	for name, text := range map[string]string{"cut": `{"kept": 1`, "empty": "", "other": `{"kept": "many"}`, "zeros": "\x00\x00\x00"} {
		fsys := crashfs.New()
		must(t, durable.WriteFile(fsys, path, []byte(text), 0o644))
		l, err := Open(fsys, path, spool.Status{Pending: tally{"a": 3}.of()})
		if err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", name, err)
		}
		if a := l.Balance(Counts{}, spool.Status{Pending: tally{"a": 3}.of()}); a.Kept != 3 || balanced(a) != nil {
			t.Errorf("%s: %+v", name, a)
		}
		must(t, l.Save(Counts{Kept: 1}))
		if kept, err := durable.ReadFile(fsys, path+".damaged", maxFile); err != nil || string(kept) != text {
			t.Errorf("%s: kept beside: %q, %v", name, kept, err)
		}
	}
}

// unreadable is a filesystem that does not give the ledger.
type unreadable struct{ *crashfs.FS }

func (u unreadable) OpenFile(name string, flag int, perm fs.FileMode) (durable.File, error) {
	if name == path {
		return nil, syscall.EIO
	}
	return u.FS.OpenFile(name, flag, perm)
}

func TestUnreadableFile(t *testing.T) {
	fsys := crashfs.New()
	l, err := Open(fsys, path, spool.Status{})
	must(t, err)
	must(t, l.Save(Counts{Kept: 100}))
	want, err := durable.ReadFile(fsys, path, maxFile)
	must(t, err)
	if l, err = Open(unreadable{fsys}, path, spool.Status{}); !errors.Is(err, syscall.EIO) {
		t.Errorf("returned %v", err)
	}
	must(t, l.Save(Counts{Kept: 1}))
	if kept, err := durable.ReadFile(fsys, path+".damaged", maxFile); err != nil || !bytes.Equal(kept, want) {
		t.Errorf("kept beside: %q, %v", kept, err)
	}
}

// A power cut at any step of Save leaves the old counts or the new ones.
func TestSaveIsAtomic(t *testing.T) {
	for step := 1; ; step++ {
		over := false
		for seed := range uint64(20) {
			fsys := crashfs.New()
			l, err := Open(fsys, path, spool.Status{})
			must(t, err)
			must(t, l.Save(Counts{SampledOut: map[string]int64{"random": 1}}))
			fsys.CrashAt(fsys.Steps() + step)
			err = l.Save(Counts{SampledOut: map[string]int64{"random": 2}})
			over = err == nil
			next, openErr := Open(fsys.PowerCut(crashfs.Garbage, rand.New(rand.NewPCG(seed, 1))), path, spool.Status{})
			must(t, openErr)
			n := next.Balance(Counts{}, spool.Status{}).SampledOut["random"]
			if n != 2 && (n != 1 || over) {
				t.Fatalf("step %d: %d after a Save that returned %v", step, n, err)
			}
		}
		if over {
			break
		}
	}
}

// A Save that failed is made up for by the next one, also when nothing has changed since.
func TestSaveAfterAnError(t *testing.T) {
	fsys := crashfs.New()
	l, err := Open(fsys, path, spool.Status{})
	must(t, err)
	fsys.Fail(func(op crashfs.Op) error {
		if op.Kind == crashfs.Sync {
			return syscall.ENOSPC
		}
		return nil
	})
	run := Counts{Rejected: map[string]int64{"bad": 1}}
	if err := l.Save(run); err == nil {
		t.Fatal("a full disk was not noticed")
	}
	fsys.Fail(nil)
	must(t, l.Save(run))
	steps := fsys.Steps()
	must(t, l.Save(run))
	if fsys.Steps() != steps {
		t.Error("what has not changed was written again")
	}
	next, err := Open(fsys.PowerCut(crashfs.LoseAll, rand.New(rand.NewPCG(1, 1))), path, spool.Status{})
	must(t, err)
	if n := next.Balance(Counts{}, spool.Status{}).Rejected["bad"]; n != 1 {
		t.Errorf("%d rejected, want 1", n)
	}
}

// TestTailSampling counts what tail sampling left out as sampled out, whether
// its records are still in the spool or not.
func TestTailSampling(t *testing.T) {
	st := spool.Status{
		Pending: tally{"a": 50, "b": 10}.of(), Released: tally{"a": 100, "b": 5}.of(), Lost: tally{"a": 3}.of(),
		Undecided: spool.Counts{Records: 1, Spans: 20},
		Sifted: &spool.Sifted{
			// of b more than there is: a record was damaged
			Pending: map[string]int64{"a": 12, "b": 99},
			Tenants: map[string]int64{"a": 82, "b": 12},
			Rules:   map[string]int64{"health": 60, "rest": 34},
		},
	}
	l, err := Open(crashfs.New(), path, st)
	must(t, err)
	a := l.Balance(Counts{SampledOut: map[string]int64{"probability": 7}}, st)
	if err := balanced(Account{
		Received: a.Received, Kept: a.Kept, SampledOut: a.SampledOut, Pending: a.Pending, Proven: a.Proven, Damaged: a.Damaged,
		Tenants: a.Tenants,
	}); err != nil {
		t.Error(err)
	}
	if a.Received != 168+7 || a.Kept != 168-94 || a.SampledOut["health"] != 60 || a.SampledOut["probability"] != 7 || a.Undecided != 20 ||
		a.Pending != 38+0 || a.Tenants["a"].Pending != 38 || a.Tenants["a"].Proven != 30 {
		t.Errorf("%+v", a)
	}
}
