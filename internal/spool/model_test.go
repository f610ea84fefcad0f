package spool

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"appliance/internal/durable/crashfs"
)

// model is what a spool must hold: it appends, releases, crashes and reopens, and
// compares.
type model struct {
	opts     Options
	fsys     *crashfs.FS
	spool    *Spool
	next     int
	acked    map[int]Position // Append returned nil, and not released
	maybe    map[int]bool     // Append returned an error: may be there
	released map[int]bool     // Release returned; forgotten if a crash came at once
}

const modelDir = "/data/spool"

func newModel(opts Options) (*model, error) {
	m := &model{opts: opts, fsys: crashfs.New(), acked: map[int]Position{}, maybe: map[int]bool{}, released: map[int]bool{}}
	return m, m.open()
}

func (m *model) open() (err error) {
	m.opts.FS = m.fsys
	m.spool, err = Open(modelDir, m.opts)
	return err
}

// append appends count records at the same time.
func (m *model) append(count int) error {
	var mu sync.Mutex
	var all sync.WaitGroup
	var failed error
	for range count {
		n := m.next
		m.next++
		all.Go(func() {
			pos, err := m.spool.Append(numbered(n))
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				m.maybe[n] = true
				failed = err
			} else {
				m.acked[n] = pos
			}
		})
	}
	all.Wait()
	return failed
}

// release releases those for which choose says so.
func (m *model) release(choose func(n int) bool) error {
	var positions []Position
	for n, pos := range m.acked {
		if choose(n) {
			positions = append(positions, pos)
			m.released[n] = true
			delete(m.acked, n)
		}
	}
	slices.SortFunc(positions, Position.Compare)
	return m.spool.Release(positions...)
}

// recovered checks that all is well once faults are over.
func (m *model) recovered() error {
	if err := m.append(1); err != nil {
		return err
	}
	if err := m.release(func(int) bool { return false }); err != nil {
		return err
	}
	return m.check(false)
}

// check reads everything and compares it with what must be there. crashed says
// that releases may have been forgotten.
func (m *model) check(crashed bool) error {
	numbers, at, err := pass(m.spool)
	if err != nil {
		return err
	}
	for n, pos := range m.acked {
		if at[n] != pos {
			return fmt.Errorf("record %d was acknowledged at %s, and is at %s", n, pos, at[n])
		}
	}
	if len(at) != len(numbers) {
		return fmt.Errorf("a record was read twice: %v", numbers)
	}
	for _, n := range numbers {
		_, acked := m.acked[n]
		if m.released[n] && !crashed {
			return fmt.Errorf("record %d was released", n)
		}
		if !acked && !m.released[n] && !m.maybe[n] {
			return fmt.Errorf("record %d was never appended", n)
		}
		if m.released[n] {
			delete(m.released, n)
			m.acked[n] = at[n]
		}
	}
	st := m.spool.Status()
	if err != nil {
		return err
	}
	var want Tally
	for _, n := range numbers {
		want.add(numbered(n).Tenant, Counts{1, int64(numbered(n).Spans)})
	}
	if got := fmt.Sprint(st.Pending); got != fmt.Sprint(want) {
		return fmt.Errorf("pending %s, want %s", got, fmt.Sprint(want))
	}
	want = Tally{}
	for n := range m.released {
		want.add(numbered(n).Tenant, Counts{1, int64(numbered(n).Spans)})
	}
	if got := fmt.Sprint(st.Released); got != fmt.Sprint(want) {
		return fmt.Errorf("released %s, want %s", got, fmt.Sprint(want))
	}
	if st.Lost.Records != 0 || st.UnreadableSegments != 0 {
		return fmt.Errorf("a crash alone was taken for damage: %+v", st)
	}
	return nil
}

// reopen opens what a crash left, and checks it, also once more after appending.
func (m *model) reopen(after *crashfs.FS) error {
	if m.spool != nil {
		_ = m.spool.Close()
	}
	m.fsys = after
	if err := m.open(); err != nil {
		return err
	}
	if err := m.check(true); err != nil {
		return err
	}
	if err := m.append(2); err != nil {
		return err
	}
	return m.check(false)
}

// script is a life of a spool with everything in it that changes files. It goes
// on after errors, as clients do.
func (m *model) script() error {
	var first error
	do := func(err error) {
		if first == nil {
			first = err
		}
	}
	for range 12 {
		do(m.append(1))
	}
	do(m.release(func(n int) bool { return n < 3 || n == 5 }))
	for range 12 {
		do(m.append(1))
	}
	do(m.release(func(n int) bool { return n < 14 }))
	do(m.spool.Close())
	if err := m.open(); err != nil {
		do(err)
		return first
	}
	do(m.check(true))
	do(m.append(1))
	do(m.release(func(int) bool { return true }))
	for range 3 {
		do(m.append(1))
	}
	return first
}

var smallSegments = Options{NoSpare: true, SegmentBytes: 4 << 10, CheckpointEvery: -1, quarantineBytes: 1 << 20}

// The machine dies at every single step of a spool's life.
func TestPowerCutAtEveryStep(t *testing.T) {
	m, err := newModel(smallSegments)
	must(t, err)
	must(t, m.script())
	steps := m.fsys.Steps()
	t.Logf("%d steps", steps)
	if steps < 120 {
		t.Fatalf("only %d steps", steps)
	}
	modes := []crashfs.Mode{crashfs.LoseAll, crashfs.KeepAll, crashfs.Scramble, crashfs.Scramble, crashfs.Scramble, crashfs.Garbage, crashfs.Garbage}
	for step := 1; step <= steps; step++ {
		for seed, mode := range modes {
			rng := rand.New(rand.NewPCG(uint64(step), uint64(seed)))
			if err := crashAt(step, func(f *crashfs.FS) *crashfs.FS { return f.PowerCut(mode, rng) }); err != nil {
				t.Fatalf("step %d, mode %d, seed %d: %v", step, mode, seed, err)
			}
		}
		// The process dies, another one goes on with what is in the page cache,
		// and then the machine dies.
		rng := rand.New(rand.NewPCG(uint64(step), 100))
		if err := crashAt(step, (*crashfs.FS).Kill, func(f *crashfs.FS) *crashfs.FS { return f.PowerCut(crashfs.LoseAll, rng) }); err != nil {
			t.Fatalf("step %d, kill and power cut: %v", step, err)
		}
	}
}

// The process dies at any step, and then the machine does while the next
// process repairs what it found.
func TestPowerCutDuringRepair(t *testing.T) {
	m, err := newModel(smallSegments)
	must(t, err)
	must(t, m.script())
	for step := 1; step <= m.fsys.Steps(); step++ {
		for repair := 1; repair <= 5; repair++ {
			for seed, mode := range []crashfs.Mode{crashfs.LoseAll, crashfs.Scramble} {
				rng := rand.New(rand.NewPCG(uint64(step*100+repair), uint64(seed)))
				err := crashAt(step, func(f *crashfs.FS) *crashfs.FS {
					killed := f.Kill()
					killed.CrashAt(repair)
					opts := smallSegments
					opts.FS = killed
					if s, err := Open(modelDir, opts); err == nil {
						_ = s.Close()
					}
					return killed.PowerCut(mode, rng)
				})
				if err != nil {
					t.Fatalf("step %d, repair %d, mode %d: %v", step, repair, mode, err)
				}
			}
		}
	}
}

func crashAt(step int, crashes ...func(*crashfs.FS) *crashfs.FS) error {
	m := &model{opts: smallSegments, fsys: crashfs.New(), acked: map[int]Position{}, maybe: map[int]bool{}, released: map[int]bool{}}
	m.fsys.CrashAt(step)
	if err := m.open(); err == nil {
		_ = m.script()
	}
	for _, crash := range crashes {
		if err := m.reopen(crash(m.fsys)); err != nil {
			return err
		}
	}
	return nil
}
