package spool

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"appliance/internal/durable"
	"appliance/internal/durable/crashfs"
)

// Whatever is in the files, Open, Verify, Inspect and a Reader end without a
// panic, agree, and nothing is read of which the sums are not right.
func FuzzSegment(f *testing.F) {
	names, err := filepath.Glob("testdata/v1/*.seg")
	if err != nil || len(names) == 0 {
		f.Fatal(names, err)
	}
	i, _ := parseFileName(filepath.Base(names[0]))
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		if own, ok := parseFileName(filepath.Base(name)); ok && own == i {
			f.Add(b, uint16(0), byte(1), false)
			f.Add(b, uint16(90), byte(3), true)
			f.Add(b[:len(b)/2], uint16(100), byte(0xff), false)
		}
	}
	f.Add([]byte{}, uint16(0), byte(0), false)
	f.Add(marker, uint16(0), byte(0), false)
	f.Fuzz(func(t *testing.T, content []byte, off uint16, mask byte, resum bool) {
		content = append([]byte(nil), content...)
		if int(off) < len(content) {
			content[off] ^= mask
		}
		if resum {
			makeValid(content, i.salt)
		}
		fsys := crashfs.New()
		must(t, durable.MkdirAll(fsys, "/spool", 0o755))
		must(t, durable.WriteFile(fsys, "/spool/"+i.fileName(), content, 0o644))
		report, err := Verify(fsys, "/spool")
		if err != nil {
			return // a later version
		}
		if _, err := Inspect(fsys, "/spool"); err != nil {
			t.Fatal(err)
		}
		s, err := Open("/spool", Options{FS: fsys, SegmentBytes: 4 << 10})
		must(t, err)
		defer s.Close()
		var intact Counts
		r := s.NewReader()
		defer r.Close()
		for {
			e, err := r.Next(ended, nil)
			if err != nil {
				break
			}
			intact = intact.plus(Counts{1, int64(e.Spans)})
		}
		// With forged sums, numbers of records may contradict each other.
		if !resum && intact != report.Intact {
			t.Fatalf("read %+v, Verify found %+v", intact, report)
		}
		if _, err := s.Append(numbered(1)); err != nil {
			t.Fatal(err)
		}
	})
}

// makeValid gives everything that looks like a header the right sum, so that
// absurd values get further in than they ever should.
func makeValid(b []byte, salt uint64) {
	for off := 0; off+headerSize <= len(b); off++ {
		if bytes.HasPrefix(b[off:], marker) {
			if end := off + headerSize + int(b[off+5]); end <= len(b) {
				order.PutUint32(b[off+crcOffset:], headerSum(b[off:end], salt, int64(off)))
			}
		}
	}
}

func FuzzState(f *testing.F) {
	b, err := os.ReadFile("testdata/v1/state")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte("aplstate 1 00000000\n{}"))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := decodeState(b)
		if err != nil {
			return
		}
		again, err := encodeState(s)
		must(t, err)
		if _, err := decodeState(again); err != nil {
			t.Fatal(err)
		}
	})
}
