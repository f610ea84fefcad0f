package spool

import (
	"errors"
	"sync"
	"syscall"
	"testing"

	"appliance/internal/durable/crashfs"
)

// TryRoom says what Append would say, of a spool at its bound and of a full
// disk, and is no record.
func TestTryRoom(t *testing.T) {
	fsys := crashfs.New()
	opts := Options{FS: fsys, SegmentBytes: 8 << 10, MaxBytes: 64 << 10, NoSpare: true, CheckpointEvery: -1}
	s, err := Open("/spool", opts)
	must(t, err)
	defer s.Close()
	must(t, s.TryRoom(1000))
	n := 0
	for ; err == nil; n++ {
		_, err = s.Append(numbered(n))
	}
	n--
	if !errors.Is(err, ErrFull) {
		t.Fatal(err)
	}
	if err := s.TryRoom(len(numbered(n).Payload)); !errors.Is(err, ErrFull) {
		t.Errorf("full, and says %v", err)
	}
	if used, most := s.Fill(); most != 64<<10 || used < most*3/4 || used > most {
		t.Errorf("filled %d of %d bytes", used, most)
	}
	for i, err := range s.Pending(Position{}) {
		must(t, err)
		must(t, s.Release(i.Position))
	}
	must(t, s.TryRoom(1000))
	if used, _ := s.Fill(); used > 16<<10 {
		t.Errorf("empty, and %d bytes are filled", used)
	}
	fill(t, fsys)
	if err := s.TryRoom(20_000); !DiskFull(err) || !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("on a full disk: %v", err)
	}
	must(t, fsys.Remove("/hog"))
	must(t, s.TryRoom(20_000))
	if st := s.Status(); st.Pending.Records != 0 || st.Released.Records != int64(n) || st.Appended.Records != int64(n) {
		t.Errorf("it counts as a record: %+v", st)
	}
	must(t, s.Close())
	if err := s.TryRoom(1); !errors.Is(err, ErrClosed) {
		t.Errorf("closed, and says %v", err)
	}
}

// Among records that are appended at the same time it costs none of them.
func TestTryRoomAmongRecords(t *testing.T) {
	s, err := Open("/spool", Options{FS: crashfs.New(), SegmentBytes: 8 << 10})
	must(t, err)
	defer s.Close()
	var all sync.WaitGroup
	for n := range 100 {
		all.Go(func() {
			if _, err := s.Append(numbered(n)); err != nil {
				t.Error(err)
			}
		})
		all.Go(func() {
			if err := s.TryRoom(n); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if got := mustPass(t, s); len(got) != 100 {
		t.Errorf("read %d records", len(got))
	}
}
