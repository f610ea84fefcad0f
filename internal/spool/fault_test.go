package spool

import (
	"errors"
	"math/rand/v2"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"appliance/internal/durable/crashfs"
)

// A file of which a sync has failed is never synced again: the kernel says yes
// the second time, whatever became of the data. Nor is one appended to of which nobody
// knows what a failed write left in it.
func TestFailedSegmentIsGivenUp(t *testing.T) {
	for _, kind := range []crashfs.Kind{crashfs.Sync, crashfs.Write} {
		t.Run(string(kind), func(t *testing.T) {
			fsys := crashfs.New()
			s, err := Open("/spool", Options{FS: fsys, SegmentBytes: 64 << 10})
			must(t, err)
			at := appendNumbered(t, s, 0, 1, 2)
			failed := failOnce(fsys, kind)
			if _, err := s.Append(numbered(3)); !errors.Is(err, syscall.EIO) {
				t.Fatalf("got %v", err)
			}
			for n, pos := range appendNumbered(t, s, 4, 5) {
				at[n] = pos
			}
			if at[4].Segment == at[2].Segment {
				t.Error("appended to the segment that had failed")
			}
			if got := mustPass(t, s); !slices.Equal(got, []int{0, 1, 2, 4, 5}) {
				t.Errorf("read %v", got)
			}
			must(t, s.Close())
			if again := failed(); len(again) > 0 {
				t.Errorf("used again after a failure: %v", again)
			}
			if st := s.Status(); !strings.Contains(st.LastError, "segment "+s.segmentOf(at[0]).String()) {
				t.Errorf("nobody says so: %q", st.LastError)
			}
			s, err = Open("/spool", Options{FS: fsys.PowerCut(crashfs.LoseAll, rand.New(rand.NewPCG(0, 0))), SegmentBytes: 8 << 10})
			must(t, err)
			defer s.Close()
			if got := mustPass(t, s); !slices.Equal(got, []int{0, 1, 2, 4, 5}) {
				t.Errorf("after a power cut: read %v", got)
			}
		})
	}
}

// failOnce lets the next call of a kind fail. What it returns lists the writes and syncs
// of the same file since.
func failOnce(fsys *crashfs.FS, kind crashfs.Kind) func() []crashfs.Op {
	var mu sync.Mutex
	var failed string
	var since []crashfs.Op
	fsys.Fail(func(op crashfs.Op) error {
		mu.Lock()
		defer mu.Unlock()
		if failed == "" && op.Kind == kind {
			failed = op.Path
			return syscall.EIO
		}
		if op.Path == failed && (op.Kind == crashfs.Sync || op.Kind == crashfs.Write) {
			since = append(since, op)
		}
		return nil
	})
	return func() []crashfs.Op {
		mu.Lock()
		defer mu.Unlock()
		return since
	}
}

// Every call that Append makes fails once, with every error: who waited gets the
// error, the next one succeeds, nothing that was acknowledged is missing.
func TestEveryCallFails(t *testing.T) {
	for _, cause := range []error{syscall.EIO, syscall.ENOSPC, syscall.EDQUOT} {
		for step := 1; ; step++ {
			m, err := newModel(smallSegments)
			must(t, err)
			start := m.fsys.Steps()
			hit := false
			m.fsys.Fail(func(op crashfs.Op) error {
				if op.Step == start+step {
					hit = true
					return cause
				}
				return nil
			})
			for range 15 {
				_ = m.append(1)
			}
			_ = m.release(func(n int) bool { return n < 8 })
			m.fsys.Fail(nil)
			if len(m.maybe) > 1 {
				t.Fatalf("step %d, %v: one failure cost %d records", step, cause, len(m.maybe))
			}
			if err := m.recovered(); err != nil {
				t.Fatalf("step %d, %v: %v", step, cause, err)
			}
			if err := m.reopen(m.fsys.PowerCut(crashfs.LoseAll, rand.New(rand.NewPCG(0, 0)))); err != nil {
				t.Fatalf("step %d, %v: after a power cut: %v", step, cause, err)
			}
			if !hit {
				if step < 40 {
					t.Fatalf("only %d steps", step)
				}
				break
			}
		}
	}
}

func TestDiskFullAndBack(t *testing.T) {
	fsys := crashfs.New()
	fsys.Capacity(40 << 10)
	opts := Options{FS: fsys, SegmentBytes: 8 << 10, NoSpare: true}
	s, err := Open("/spool", opts)
	must(t, err)
	var kept []int
	for n := range 1000 {
		if _, err := s.Append(numbered(n)); err != nil {
			if !errors.Is(err, syscall.ENOSPC) {
				t.Fatal(err)
			}
			break
		}
		kept = append(kept, n)
	}
	if len(kept) < 20 || len(kept) == 1000 {
		t.Fatalf("kept %d", len(kept))
	}
	if st := s.Status(); st.Bytes > 40<<10 {
		t.Errorf("%d bytes", st.Bytes)
	}
	must(t, s.Close())
	s, err = Open("/spool", opts) // with the disk still full
	must(t, err)
	defer s.Close()
	if got := mustPass(t, s); !slices.Equal(got, kept) {
		t.Errorf("read %v, want %v", got, kept)
	}
	// The spool is what fills the disk, so only releasing frees it.
	for i, err := range s.Pending(Position{}) {
		must(t, err)
		_ = s.Release(i.Position)
	}
	appendNumbered(t, s, 1, 2, 3)
	if got := mustPass(t, s); !slices.Equal(got, []int{1, 2, 3}) {
		t.Errorf("read %v", got)
	}
	if st := s.Status(); st.Released.Records != int64(len(kept)) {
		t.Errorf("released %d of %d", st.Released.Records, len(kept))
	}
}

// On a full disk too the state is written before the segments are deleted of
// which it tells: killed at any step in between, the next start, with the disk
// still full, knows of every record.
func TestKilledOnAFullDisk(t *testing.T) {
	for step := 1; ; step++ {
		fsys := crashfs.New()
		opts := Options{FS: fsys, SegmentBytes: 8 << 10, NoSpare: true, CheckpointEvery: -1}
		s, err := Open("/spool", opts)
		must(t, err)
		at := appendNumbered(t, s, upTo(40)...)
		must(t, s.Release(at[0]))
		fill(t, fsys)
		segments, last := len(s.Status().Segments), fsys.Steps()+step
		fsys.CrashAt(last)
		for n := 1; at[n].Segment <= at[0].Segment+1; n++ {
			_ = s.Release(at[n])
		}
		over, after := fsys.Steps() < last, len(s.Status().Segments)
		opts.FS = fsys.Kill()
		_ = s.Close()
		fill(t, opts.FS.(*crashfs.FS)) // somebody takes the room that was freed
		s, err = Open("/spool", opts)
		must(t, err)
		st := s.Status()
		if kept := st.Pending.Records + st.Released.Records; kept != 40 || st.Lost.Records != 0 {
			t.Fatalf("killed at step %d: the spool knows of %d records: %+v", step, kept, st)
		}
		must(t, s.Close())
		if over {
			if after != segments-2 {
				t.Errorf("%d of %d segments are left, want two less", after, segments)
			}
			break
		}
	}
}

// fill leaves no byte of a filesystem.
func fill(t *testing.T, fsys *crashfs.FS) {
	t.Helper()
	fsys.Capacity(128 << 10)
	f, err := fsys.OpenFile("/hog", os.O_RDWR|os.O_CREATE, 0o600)
	must(t, err)
	size, err := f.Size()
	must(t, err)
	for n := int64(128 << 10); n > 0; n /= 2 {
		for f.Allocate(size+n) == nil {
			size += n
		}
	}
}

// A sector that cannot be read is not taken for damage: the error may pass.
func TestReadErrors(t *testing.T) {
	fsys := &unreadable{FS: crashfs.New()}
	s, err := Open("/spool", Options{FS: fsys, SegmentBytes: 8 << 10})
	must(t, err)
	defer s.Close()
	at := appendNumbered(t, s, upTo(40)...)
	bad := numbered(20)
	from := at[20].Offset + headerSize + int64(len(bad.Tenant))
	fsys.fail(path.Join("/spool", s.segmentOf(at[20]).fileName()), from, from+1)

	r := s.NewReader()
	defer r.Close()
	var got []int
	for errs := 0; len(got) < 39; {
		e, err := r.Next(ended, nil)
		if err == nil {
			n, err := number(e.Record)
			must(t, err)
			got = append(got, n)
			continue
		}
		if !errors.Is(err, syscall.EIO) {
			t.Fatalf("after %v: %v", got, err)
		}
		if errs++; errs == 3 {
			r.Skip()
		}
	}
	if want := slices.Delete(upTo(40), 20, 21); !slices.Equal(got, want) {
		t.Errorf("read %v", got)
	}
	for n, pos := range at {
		if n != 20 {
			must(t, s.Release(pos))
		}
	}
	if st := s.Status(); st.Lost.Records != 0 || st.Pending.Records != 1 {
		t.Errorf("status %+v", st)
	}
	fsys.fail("", 0, 0)
	if got := mustPass(t, s); !slices.Equal(got, []int{20}) {
		t.Errorf("once it can be read: %v", got)
	}
}

func (s *Spool) segmentOf(p Position) *segment {
	s.mu.Lock()
	defer s.mu.Unlock()
	g, _ := s.find(p.Segment)
	return g
}
