package blockstore

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"appliance/internal/durable"
	"appliance/internal/durable/crashfs"
	"appliance/internal/ledger"
	"appliance/internal/otlpwire"
	"appliance/internal/spool"
	"appliance/internal/tail"
	"appliance/sampler"
)

// tailed is a store behind tail sampling: about half of the traces are left out
// for a span of theirs.
type tailed struct {
	*running
	fs durable.FS
}

func tryTailed(fsys durable.FS) (*tailed, error) {
	sp, err := spool.Open("/spool", spool.Options{FS: fsys, NoSpare: true, SegmentBytes: 16 << 10})
	if err != nil {
		return nil, err
	}
	line, err := tail.Open(tail.Options{
		Settings: tail.Settings{Wait: 20 * time.Second, Remember: 10 * time.Minute, Rules: []tail.Rule{
			{Name: "zero", When: `{ name =~ "span .*0" }`},
		}},
		Dir: "/tail", Spool: sp, FS: fsys,
		Threshold: func(p float64) (uint64, error) { t, err := sampler.ThresholdOf(p, 4); return uint64(t), err },
		Thin: func(t uint64, s *otlpwire.Span, buf []byte) (otlpwire.Verdict, []byte) {
			return sampler.Thin(sampler.Threshold(t), s, buf)
		},
	})
	if err != nil {
		_ = sp.Close()
		return nil, err
	}
	s, err := Open(background, small(sp, "/", fsys))
	if err != nil {
		_ = sp.Close()
		return nil, err
	}
	ctx, cancel := context.WithCancel(background)
	done := make(chan error, 2)
	go func() { done <- s.Run(ctx) }()
	go func() { done <- line.Run(ctx) }()
	return &tailed{&running{s, sp, func() {
		cancel()
		<-done
		<-done
		_ = sp.Close() // fails where the machine has crashed
	}}, fsys}, nil
}

// verdicts says for each span that was acknowledged whether it is kept, and
// whether that is decided.
func (s *tailed) verdicts(t *testing.T, o *oracle) map[uint64]bool {
	t.Helper()
	kept := map[uint64]bool{}
	traces := map[[16]byte][]tail.Explanation{}
	for id := range o.acked["a"] {
		trace := [16]byte(o.traceOf(id))
		found, ok := traces[trace]
		if !ok {
			var err error
			if found, err = tail.Explain(s.fs, "/tail", trace); err != nil {
				t.Fatal(err)
			}
			traces[trace] = found
		}
		switch len(found) {
		case 0:
		case 1:
			kept[id] = found[0].Kept
		default:
			t.Errorf("trace %x has %d verdicts", trace, len(found))
		}
	}
	return kept
}

// check reads everything: what is decided is as it was decided, and the rest is
// there.
func (s *tailed) check(t *testing.T, o *oracle, all bool) (kept, left int) {
	t.Helper()
	found, err := read(s.Store, "a")
	if err != nil {
		t.Fatal(err)
	}
	verdicts := s.verdicts(t, o)
	decided := len(verdicts) == len(o.acked["a"])
	if all && !decided {
		t.Errorf("%d of %d spans are decided", len(verdicts), len(o.acked["a"]))
	}
	for id := range o.acked["a"] {
		keep, ok := verdicts[id]
		switch {
		case found[id] > 1, found[id] == 0 && (keep || !ok):
			t.Errorf("span %d is there %d times; decided %v, kept %v", id, found[id], ok, keep)
		case all && found[id] == 1 && !keep:
			t.Errorf("span %d is there, and was left out", id)
		}
		if keep {
			kept++
		} else if ok {
			left++
		}
	}
	l, err := ledger.Open(crashfs.New(), "/ledger", s.spool.Status())
	if err != nil {
		t.Fatal(err)
	}
	a := l.Balance(ledger.Counts{}, s.spool.Status())
	if a.Kept != a.Pending+a.Proven || a.Received != a.Kept+a.SampledOut["zero"] || a.Pending < 0 || a.Proven < 0 {
		t.Errorf("the account does not balance: %+v", a)
	}
	return kept, left
}

func TestEachKeptSpanOnceBehindTail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOracle(1)
		s, err := tryTailed(crashfs.New())
		if err != nil {
			t.Fatal(err)
		}
		for range 200 {
			if err := o.append(s.spool, "a"); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
			synctest.Wait()
			s.check(t, o, false)
		}
		// A stop waits for what is decided alone.
		soon, cancel := context.WithTimeout(background, time.Minute)
		if err := s.Drain(soon); err != nil {
			st := s.spool.Status()
			t.Fatalf("%v: %+v undecided %+v; %+v", err, st.Pending, st.Undecided, s.Status())
		}
		cancel()
		if st := s.spool.Status(); st.Undecided.Records == 0 || st.Pending.Records != st.Undecided.Records {
			t.Errorf("%d records are pending after a drain, and %d undecided", st.Pending.Records, st.Undecided.Records)
		}
		time.Sleep(3 * time.Minute)
		synctest.Wait()
		kept, left := s.check(t, o, true)
		if kept < 50 || left < 50 {
			t.Errorf("%d spans are kept and %d left out; too few to mean anything", kept, left)
		}
		if st := s.spool.Status(); st.Pending.Records != 0 || st.Sifted.Pending["a"] != 0 {
			t.Errorf("%d records are pending in the end, with %d spans that are left out", st.Pending.Records, st.Sifted.Pending["a"])
		}
		s.stop()
	})
}

func TestCrashBehindTail(t *testing.T) {
	const points = 12
	for name, end := range map[string]func(*crashfs.FS, *rand.Rand) *crashfs.FS{
		"kill":      func(f *crashfs.FS, _ *rand.Rand) *crashfs.FS { return f.Kill() },
		"power cut": func(f *crashfs.FS, r *rand.Rand) *crashfs.FS { return f.PowerCut(crashfs.Scramble, r) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			steps := 0
			synctest.Test(t, func(t *testing.T) { steps = tailedLife(newOracle(1), crashfs.New(), 0) })
			for i := range points {
				t.Run(fmt.Sprint("point ", i), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						o, rng := newOracle(uint64(i)), rand.New(rand.NewPCG(uint64(i), 2))
						disk := crashfs.New()
						tailedLife(o, disk, 1+(steps-1)*i/(points-1))
						disk = end(disk, rng)
						tailedLife(o, disk, disk.Steps()+1+rng.IntN(steps))
						disk = end(disk, rng)
						s, err := tryTailed(disk)
						if err != nil {
							t.Fatal(err)
						}
						time.Sleep(3 * time.Minute)
						synctest.Wait()
						s.check(t, o, true)
						s.stop()
					})
				})
			}
		})
	}
}

func tailedLife(o *oracle, disk *crashfs.FS, crashAt int) int {
	disk.CrashAt(crashAt)
	s, err := tryTailed(disk)
	if err != nil {
		return disk.Steps()
	}
	for range 60 {
		if o.append(s.spool, "a") != nil {
			break
		}
		time.Sleep(3 * time.Second)
	}
	time.Sleep(2 * time.Minute)
	synctest.Wait()
	s.stop()
	return disk.Steps()
}

// traceOf is the trace of a span.
func (o *oracle) traceOf(id uint64) []byte {
	trace := o.traceIDs[id]
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, trace*0x9e3779b97f4a7c15+1), trace)
}
