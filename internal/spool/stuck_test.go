package spool

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"pgregory.net/rapid"

	"appliance/internal/durable/crashfs"
)

// listed is a record whose spans are numbers.
func listed(spans ...uint32) Record {
	var payload []byte
	for _, n := range spans {
		payload = binary.LittleEndian.AppendUint32(payload, n)
	}
	return Record{Tenant: "a", Spans: len(spans), Time: epoch, Payload: payload}
}

func spansOf(payload []byte) (spans []uint32) {
	for i := 0; i+4 <= len(payload); i += 4 {
		spans = append(spans, binary.LittleEndian.Uint32(payload[i:]))
	}
	return spans
}

// stuckModel sets spans aside, releases and crashes, and looks where each span is.
type stuckModel struct {
	fsys  *crashfs.FS
	spool *Spool
	next  uint32
	gone  map[uint32]bool // released, which a crash may forget
}

func (m *stuckModel) open() (err error) {
	m.spool, err = Open(modelDir, Options{MaxBytes: 8 << 20, SegmentBytes: 4 << 10, NoSpare: true, CheckpointEvery: -1, FS: m.fsys, salt: rand.Uint64})
	return err
}

// held lists what is in its place and what is stuck.
func (m *stuckModel) held() (place map[Position][]uint32, stuck map[StuckID][]uint32, err error) {
	place, stuck = map[Position][]uint32{}, map[StuckID][]uint32{}
	for i, err := range m.spool.Pending(Position{}) {
		if err != nil {
			return nil, nil, err
		}
		e, err := m.spool.ReadAt(i.Position, nil)
		if err != nil {
			return nil, nil, err
		}
		place[i.Position] = spansOf(e.Payload)
	}
	for _, i := range m.spool.Stuck().List() {
		e, err := m.spool.Stuck().Read(i.ID)
		if err != nil {
			return nil, nil, err
		}
		if e.Tenant != "a" || e.Spans*4 != len(e.Payload) || !e.Time.Equal(epoch) || e.Why == "" || e.Since.IsZero() {
			return nil, nil, fmt.Errorf("the stuck record %+v is not what was set aside", e)
		}
		stuck[i.ID] = spansOf(e.Payload)
	}
	return place, stuck, nil
}

func (m *stuckModel) check() error {
	place, stuck, err := m.held()
	if err != nil {
		return err
	}
	times := map[uint32]int{}
	var pending, aside int64
	for _, spans := range place {
		pending += int64(len(spans))
		for _, n := range spans {
			times[n]++
		}
	}
	for _, spans := range stuck {
		aside += int64(len(spans))
		for _, n := range spans {
			times[n]++
		}
	}
	for n := range m.next {
		switch {
		case times[n] > 1:
			return fmt.Errorf("span %d is there %d times", n, times[n])
		case times[n] == 0 && !m.gone[n]:
			return fmt.Errorf("span %d is lost", n)
		case times[n] == 1:
			delete(m.gone, n) // the crash has forgotten it
		}
	}
	st := m.spool.Status()
	if st.Pending.Spans != pending || st.Stuck.Spans != aside || st.Released.Spans != int64(len(m.gone)) || st.Lost.Spans != 0 {
		return fmt.Errorf("pending %v, stuck %v, released %v, lost %v; want %d, %d and %d spans", st.Pending, st.Stuck, st.Released, st.Lost, pending, aside, len(m.gone))
	}
	if total := st.Pending.Spans + st.Stuck.Spans + st.Released.Spans; total != int64(m.next) {
		return fmt.Errorf("%d spans in all, want %d", total, m.next)
	}
	return nil
}

// Spans that are set aside are there once and counted once, whatever crash comes.
func TestStuckModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &stuckModel{fsys: crashfs.New(), gone: map[uint32]bool{}}
		if err := m.open(); err != nil {
			t.Fatal(err)
		}
		defer func() { _ = m.spool.Close() }()
		ok := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		// some draws which spans of a record cannot leave; the others are gone.
		some := func(of []uint32) (left []uint32) {
			for _, n := range of {
				if rapid.Bool().Draw(t, "stuck") {
					left = append(left, n)
				} else {
					m.gone[n] = true
				}
			}
			return left
		}
		t.Repeat(map[string]func(*rapid.T){
			"append": func(t *rapid.T) {
				var spans []uint32
				for range rapid.IntRange(1, 30).Draw(t, "spans") {
					spans = append(spans, m.next)
					m.next++
				}
				_, err := m.spool.Append(listed(spans...))
				ok(err)
			},
			"set aside": func(t *rapid.T) {
				place, _, err := m.held()
				ok(err)
				var asides []Aside
				var release []Position
				for _, pos := range slices.SortedFunc(maps.Keys(place), Position.Compare) {
					if !rapid.Bool().Draw(t, "this") {
						continue
					}
					release = append(release, pos)
					if left := some(place[pos]); len(left) > 0 {
						asides = append(asides, Aside{listed(left...), pos, "it is refused"})
					}
				}
				ok(m.spool.Stuck().Keep(asides, release...))
			},
			"leave fewer": func(t *rapid.T) {
				_, stuck, err := m.held()
				ok(err)
				for _, id := range slices.Sorted(maps.Keys(stuck)) {
					if rapid.Bool().Draw(t, "this") {
						ok(m.spool.Stuck().Replace(id, listed(some(stuck[id])...), "it is refused again"))
					}
				}
			},
			"power cut": func(t *rapid.T) {
				after := m.fsys.PowerCut(crashfs.Scramble, rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1)))
				_ = m.spool.Close()
				m.fsys = after
				ok(m.open())
			},
			"stop": func(*rapid.T) {
				ok(m.spool.Close())
				ok(m.open())
			},
			"": func(*rapid.T) { ok(m.check()) },
		})
	})
}

// A record in each segment that cannot leave does not hold the segments.
func TestStuckHoldsNoSegments(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{MaxBytes: 16 << 20, SegmentBytes: 512 << 10, NoSpare: true, CheckpointEvery: -1})
	rest := make([]uint32, 100_000)
	var want []uint32
	for n := range uint32(100) { // 100 segments, of which 32 have room
		bad, err := s.Append(listed(n))
		must(t, err)
		good, err := s.Append(listed(rest...))
		must(t, err)
		must(t, s.Stuck().Keep([]Aside{{listed(n), bad, "no"}}, bad, good))
		want = append(want, n)
	}
	st := s.Status()
	if st.Stuck.Spans != 100 || st.Released.Spans != 100*100_000 || st.Pending.Spans != 0 || st.Bytes > 4<<20 {
		t.Errorf("stuck %d, released %d, pending %d spans, %d bytes", st.Stuck.Spans, st.Released.Spans, st.Pending.Spans, st.Bytes)
	}
	offline, err := Inspect(nil, dir)
	must(t, err)
	if offline.Stuck.Spans != 100 || offline.Released.Spans+offline.Pending.Spans != 100*100_000 {
		t.Errorf("inspected: stuck %d, released %d, pending %d spans", offline.Stuck.Spans, offline.Released.Spans, offline.Pending.Spans)
	}
	list, err := InspectStuck(nil, dir)
	must(t, err)
	var got []uint32
	for _, e := range list {
		got = append(got, spansOf(e.Payload)...)
		if e.Why != "no" || e.Since.IsZero() || e.Tenant != "a" || !e.Time.Equal(epoch) {
			t.Fatalf("entry %+v", e)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("listed are %v", got)
	}
	r, err := Verify(nil, dir)
	must(t, err)
	if !r.Sound() || r.Intact.Records < 100 {
		t.Errorf("%+v", r)
	}
}

// Where there is no room, or the disk fails, nothing is set aside and nothing is released.
func TestStuckWithoutRoom(t *testing.T) {
	s := open(t, t.TempDir(), Options{MaxBytes: 1 << 20, SegmentBytes: 64 << 10, NoSpare: true, CheckpointEvery: -1})
	small, err := s.Append(listed(1))
	must(t, err)
	spans := make([]uint32, 20_000)
	large, err := s.Append(listed(spans...))
	must(t, err)
	err = s.Stuck().Keep([]Aside{{listed(1), small, ""}, {listed(spans...), large, ""}}, small, large)
	if !errors.Is(err, ErrFull) && !errors.Is(err, ErrTooLarge) {
		t.Fatalf("the error is %v", err)
	}
	if st := s.Status(); st.Pending.Spans != 20_001 || st.Stuck.Spans != 0 || st.Released.Spans != 0 {
		t.Errorf("pending %v, stuck %v, released %v", st.Pending, st.Stuck, st.Released)
	}

	fsys := crashfs.New()
	s, err = Open(modelDir, Options{NoSpare: true, CheckpointEvery: -1, FS: fsys})
	must(t, err)
	defer s.Close()
	at, err := s.Append(listed(1, 2))
	must(t, err)
	fsys.Fail(func(op crashfs.Op) error {
		if op.Kind == crashfs.Sync && filepath.Base(filepath.Dir(op.Path)) == stuckName {
			return syscall.EIO
		}
		return nil
	})
	if err := s.Stuck().Keep([]Aside{{listed(2), at, ""}}, at); !errors.Is(err, syscall.EIO) {
		t.Fatalf("the error is %v", err)
	}
	fsys.Fail(nil)
	if st := s.Status(); st.Pending.Spans != 2 || st.Stuck.Spans != 0 {
		t.Errorf("pending %v, stuck %v", st.Pending, st.Stuck)
	}
	must(t, s.Stuck().Keep([]Aside{{listed(2), at, ""}}, at))
	// as after an error that came too late
	must(t, s.Stuck().Keep([]Aside{{listed(2), at, ""}}, at))
	if _, err := s.Append(listed(3)); err != nil {
		t.Fatal(err)
	}
	if st := s.Status(); st.Pending.Spans != 1 || st.Stuck.Spans != 1 || st.Released.Spans != 1 {
		t.Errorf("pending %v, stuck %v, released %v", st.Pending, st.Stuck, st.Released)
	}
}

// A stuck record that is damaged is counted as lost, and its neighbours are not.
func TestStuckDamaged(t *testing.T) {
	dir := t.TempDir()
	opts := Options{NoSpare: true, CheckpointEvery: -1}
	s := open(t, dir, opts)
	for n := range uint32(3) {
		at, err := s.Append(listed(n))
		must(t, err)
		must(t, s.Stuck().Keep([]Aside{{listed(n), at, fmt.Sprintf("reason %d", n)}}, at))
	}
	must(t, s.Close())
	running := open(t, dir, opts)
	files, err := filepath.Glob(filepath.Join(dir, stuckName, "*"+stuckSuffix))
	must(t, err)
	b, err := os.ReadFile(files[1])
	must(t, err)
	b[len(b)-1] ^= 1
	must(t, os.WriteFile(files[1], b, fileMode))
	if _, err := running.Stuck().Read(running.Stuck().List()[1].ID); !errors.Is(err, ErrDamaged) {
		t.Errorf("the error is %v", err)
	}
	if st := running.Status(); st.Stuck.Spans != 2 || st.Lost.Spans != 1 || st.Released.Spans != 0 {
		t.Errorf("while running: stuck %v, lost %v, released %v", st.Stuck, st.Lost, st.Released)
	}
	must(t, running.Close())
	s = open(t, dir, opts)
	var left []uint32
	for _, i := range s.Stuck().List() {
		e, err := s.Stuck().Read(i.ID)
		must(t, err)
		left = append(left, spansOf(e.Payload)...)
	}
	st := s.Status()
	if !slices.Equal(left, []uint32{0, 2}) || st.Stuck.Spans != 2 || st.Lost.Spans != 1 || st.Released.Spans != 0 {
		t.Errorf("left %v; stuck %v, lost %v, released %v", left, st.Stuck, st.Lost, st.Released)
	}
}

// TestStuckThatFailedIsNotKept sets spans aside on a disk on which a step fails. They
// are not set aside then, and leave with their record: the next start finds them
// nowhere.
func TestStuckThatFailedIsNotKept(t *testing.T) {
	failed := 0
	for at := 1; at <= 12; at++ {
		m := &stuckModel{fsys: crashfs.New()}
		if err := m.open(); err != nil {
			t.Fatal(err)
		}
		pos, err := m.spool.Append(listed(1, 2, 3))
		if err != nil {
			t.Fatal(err)
		}
		steps := 0
		m.fsys.Fail(func(op crashfs.Op) error {
			if steps++; steps == at {
				return syscall.EIO
			}
			return nil
		})
		err = m.spool.Stuck().Keep([]Aside{{Record: listed(2), Origin: pos, Why: "refused"}}, pos)
		m.fsys.Fail(nil)
		if err == nil {
			continue
		}
		failed++
		if err := m.spool.Release(pos); err != nil {
			t.Fatal(err)
		}
		if err := m.spool.Close(); err != nil {
			t.Fatal(err)
		}
		if err := m.open(); err != nil {
			t.Fatal(err)
		}
		if n := len(m.spool.Stuck().List()); n > 0 {
			t.Errorf("step %d: what could not be set aside is, after its record has left", at)
		}
		if err := m.spool.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if failed < 4 {
		t.Errorf("it failed %d times", failed)
	}
}
