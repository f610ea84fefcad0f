package spool

import (
	"io/fs"
	"slices"
	"sync"
	"testing"

	"appliance/internal/durable"
	"appliance/internal/durable/crashfs"
)

// flaky is a filesystem that gives one byte wrong until somebody has it forgotten.
type flaky struct {
	*crashfs.FS
	suffix string // of the files in which it does
	mu     sync.Mutex
	wrong  int64 // where the byte is; 0 for none
	asked  int   // how often it was forgotten
}

func (f *flaky) OpenFile(name string, flag int, perm fs.FileMode) (durable.File, error) {
	file, err := f.FS.OpenFile(name, flag, perm)
	return flakyFile{file, f, name}, err
}

type flakyFile struct {
	durable.File
	fs   *flaky
	name string
}

func (f flakyFile) ReadAt(p []byte, off int64) (int, error) {
	n, err := f.File.ReadAt(p, off)
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if at := f.fs.wrong - off; f.fs.wrong > 0 && at >= 0 && at < int64(n) && len(f.name) > len(f.fs.suffix) &&
		f.name[len(f.name)-len(f.fs.suffix):] == f.fs.suffix {
		p[at] ^= 1
	}
	return n, err
}

func (f flakyFile) Forget(off, n int64) error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if f.fs.wrong >= off && f.fs.wrong < off+n {
		f.fs.wrong = 0
		f.fs.asked++
	}
	return nil
}

// Bytes that are wrong in memory, or on their way from the disk, and right on it
// are not damage: they are read a second time, wherever they are read.
func TestWrongOnce(t *testing.T) {
	for _, sealed := range []bool{true, false} {
		img := takeImage(t, 6, sealed)
		end := img.at[5].Offset + headerSize + 2 + int64(len(tiny(5).Payload))
		for off := img.at[0].Offset; off < end; off++ {
			fsys := &flaky{FS: put(t, img.identity, img.bytes), suffix: segmentSuffix, wrong: off}
			if report, err := Verify(fsys, "/spool"); err != nil || !report.Sound() || fsys.asked != 1 {
				t.Fatalf("sealed %t, offset %d: verify: %+v, %v, read again %d times", sealed, off, report, err, fsys.asked)
			}
			fsys.wrong = off
			s, err := Open("/spool", Options{FS: fsys, SegmentBytes: 8 << 10})
			must(t, err)
			fsys.mu.Lock()
			fsys.wrong = off
			fsys.mu.Unlock()
			if got := readTiny(t, s); !slices.Equal(got, upTo(6)) {
				t.Fatalf("sealed %t, offset %d: read %v", sealed, off, got)
			}
			for _, pos := range img.at {
				fsys.mu.Lock()
				fsys.wrong = off
				fsys.mu.Unlock()
				if _, err := s.ReadAt(pos, nil); err != nil {
					t.Fatalf("sealed %t, offset %d: %v", sealed, off, err)
				}
			}
			if st := s.Status(); st.Lost.Records != 0 || st.Torn.Times != 0 || st.QuarantinedFiles != 0 {
				t.Fatalf("sealed %t, offset %d: %+v", sealed, off, st)
			}
			must(t, s.Close())
		}
	}
}
