package spool

import (
	"errors"
	"io/fs"
	"path"
	"slices"
	"sync"
	"syscall"
	"testing"

	"appliance/internal/durable"
	"appliance/internal/durable/crashfs"
)

// unreadable is a filesystem with one bad sector, which reads that touch it
// report, or with one file that cannot be opened.
type unreadable struct {
	*crashfs.FS
	mu       sync.Mutex
	name     string
	from, to int64
	closed   bool
}

// fail makes the bytes of a file unreadable from one offset to another.
func (u *unreadable) fail(name string, from, to int64) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.name, u.from, u.to = name, from, to
}

func (u *unreadable) OpenFile(name string, flag int, perm fs.FileMode) (durable.File, error) {
	if u.closed && name == u.name {
		return nil, syscall.EIO
	}
	f, err := u.FS.OpenFile(name, flag, perm)
	return unreadableFile{f, u, name}, err
}

type unreadableFile struct {
	durable.File
	fs   *unreadable
	name string
}

func (f unreadableFile) ReadAt(p []byte, off int64) (int, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if f.name == f.fs.name && off < f.fs.to && f.fs.from < off+int64(len(p)) {
		return 0, syscall.EIO
	}
	return f.File.ReadAt(p, off)
}

// badHeader is a spool of two segments at least, where the disk does not give
// the 4 KiB with the header of a record in the first one.
func badHeader(t *testing.T, opts Options) (s *Spool, fsys *unreadable, at map[int]Position, bad int) {
	t.Helper()
	fsys = &unreadable{FS: crashfs.New()}
	opts.FS, opts.SegmentBytes = fsys, 32<<10
	s, err := Open("/spool", opts)
	must(t, err)
	at = appendNumbered(t, s, upTo(160)...)
	if at[30].Segment != at[0].Segment || at[159].Segment == at[0].Segment {
		t.Fatalf("records 0, 30 and 159 are at %v, %v and %v", at[0], at[30], at[159])
	}
	for bad = 1; at[bad].Offset < 2*readUnit; bad++ {
	}
	from := at[bad].Offset / readUnit * readUnit
	fsys.fail(path.Join("/spool", s.segmentOf(at[bad]).fileName()), from, from+readUnit)
	return s, fsys, at, bad
}

// A header that the disk does not give costs a reader what is in the same 4 KiB,
// and the record that reaches into them.
func TestUnreadableHeader(t *testing.T) {
	s, fsys, at, _ := badHeader(t, Options{})
	defer s.Close()
	r := s.NewReader()
	defer r.Close()
	var got []int
	for errs := 0; ; {
		e, err := r.Next(ended, nil)
		if errors.Is(err, syscall.EIO) {
			if errs++; errs%3 == 0 {
				r.Skip()
			}
			if errs > 1000 {
				t.Fatalf("skipping does not get on after record %d", got[len(got)-1])
			}
			continue
		}
		if err != nil {
			break
		}
		n, err := number(e.Record)
		must(t, err)
		got = append(got, n)
	}
	for n := range 160 {
		size := headerSize + int64(len(numbered(n).Tenant)+len(numbered(n).Payload))
		hit := at[n].Segment == at[0].Segment && at[n].Offset < fsys.to && fsys.from < at[n].Offset+size
		if slices.Contains(got, n) == hit {
			t.Errorf("record %d at %v of %d bytes: in the bad sector %t, read %t", n, at[n], size, hit, !hit)
		}
	}
	if st := s.Status(); st.Lost.Records != 0 || st.Pending.Records != 160 {
		t.Errorf("the error may pass, but pending is %+v and lost %+v", st.Pending, st.Lost)
	}
}

// A reader that comes from one segment to a payload of the next that the disk
// does not give stays there.
func TestUnreadableFirstOfSegment(t *testing.T) {
	fsys := &unreadable{FS: crashfs.New()}
	s, err := Open("/spool", Options{FS: fsys, SegmentBytes: 32 << 10})
	must(t, err)
	defer s.Close()
	at := appendNumbered(t, s, upTo(160)...)
	first := 1
	for at[first].Segment == at[0].Segment {
		first++
	}
	r := s.NewReader()
	defer r.Close()
	for range first {
		_, err := r.Next(ended, nil)
		must(t, err)
	}
	size := headerSize + int64(len(numbered(first).Tenant)+len(numbered(first).Payload))
	fsys.fail(path.Join("/spool", s.segmentOf(at[first]).fileName()), at[first].Offset+size-1, at[first].Offset+size)
	if _, err := r.Next(ended, nil); !errors.Is(err, syscall.EIO) {
		t.Fatalf("the disk gave it: %v", err)
	}
	fsys.fail("", 0, 0)
	e, err := r.Next(ended, nil)
	must(t, err)
	if n, err := number(e.Record); err != nil || n != first {
		t.Errorf("went on with record %d, %v, want %d", n, err, first)
	}
}

// A header that the disk does not give keeps no other record from being
// released, and no other segment from being deleted.
func TestReleaseBesideAnUnreadableHeader(t *testing.T) {
	s, fsys, at, bad := badHeader(t, Options{CheckpointEvery: -1})
	defer s.Close()
	for n := range 160 {
		if n == bad || at[n].Segment != at[0].Segment {
			continue
		}
		_ = s.Release(at[n]) // checkpoints cannot pass the bad sector
	}
	for n := range 160 {
		if at[n].Segment == at[0].Segment {
			continue
		}
		if err := s.Release(at[n]); err != nil {
			t.Fatalf("release record %d of segment %d: %v", n, at[n].Segment, err)
		}
	}
	st := s.Status()
	if len(st.Segments) != 2 { // with the active one
		t.Errorf("%d segments are left", len(st.Segments))
	}
	if st.LastError != "" || st.Lost.Records != 0 {
		t.Errorf("last error %q, lost %+v", st.LastError, st.Lost)
	}
	if err := s.Release(); !errors.Is(err, syscall.EIO) {
		t.Errorf("the checkpoint does not tell why it stays behind: %v", err)
	}
	fsys.fail("", 0, 0)
	must(t, s.Release(at[bad]))
	for n := range bad {
		must(t, s.Release(at[n]))
	}
	for n := bad; at[n].Segment == at[0].Segment; n++ {
		must(t, s.Release(at[n])) // also those whose header could not be read before
	}
	if st := s.Status(); st.Pending.Records != 0 || st.Released.Records != 160 {
		t.Errorf("once it can be read: pending %+v, released %+v", st.Pending, st.Released)
	}
}

// The status, and with it a start, does without the record that is the oldest.
func TestStatusBesideAnUnreadableHeader(t *testing.T) {
	s, fsys, at, bad := badHeader(t, Options{CheckpointEvery: -1})
	for n := range bad {
		_ = s.Release(at[n])
	}
	want := s.Status()
	if first := numbered(0).Time; !want.Oldest.Equal(first) {
		t.Errorf("oldest %v, want that of the first record in its segment, %v", want.Oldest, first)
	}
	_ = s.Close() // says what its checkpoint could not read
	s, err := Open("/spool", Options{FS: fsys})
	must(t, err)
	defer s.Close()
	if got := s.Status(); got.Oldest != want.Oldest || got.UnreadableSegments != 0 || got.Pending.Records+got.Released.Records != 160 {
		t.Errorf("after the next start: %+v", got)
	}
}

// What was released of a segment that cannot be opened is not forgotten: the
// next start, which can open it, counts each span once.
func TestSegmentUnreadableOnce(t *testing.T) {
	fsys := &unreadable{FS: crashfs.New()}
	opts := Options{FS: fsys, SegmentBytes: 8 << 10, CheckpointEvery: -1}
	s, err := Open("/spool", opts)
	must(t, err)
	at := appendNumbered(t, s, upTo(40)...)
	must(t, s.Release(at[0], at[1], at[2]))
	fsys.fail(path.Join("/spool", s.segmentOf(at[0]).fileName()), 0, 0)
	before := s.Status()
	must(t, s.Close())

	fsys.closed = true
	s, err = Open("/spool", opts)
	must(t, err)
	if st := s.Status(); st.UnreadableSegments != 1 || st.Pending.Records >= before.Pending.Records {
		t.Errorf("without the segment: %+v", st)
	}
	must(t, s.Close()) // writes the state

	fsys.closed = false
	s, err = Open("/spool", opts)
	must(t, err)
	defer s.Close()
	after := s.Status()
	if after.Released.Records != before.Released.Records || after.Pending.Records != before.Pending.Records {
		t.Errorf("released %d and pending %d records, want %d and %d",
			after.Released.Records, after.Pending.Records, before.Released.Records, before.Pending.Records)
	}
}
