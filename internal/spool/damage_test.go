package spool

import (
	"bytes"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"
	"testing"

	"appliance/internal/durable"
	"appliance/internal/durable/crashfs"
)

// image is a spool of one segment, sealed or as a killed writer left it, to be damaged again
// and again.
type image struct {
	identity
	bytes []byte
	at    []Position // of records 0, 1, ...
}

func takeImage(t *testing.T, records int, sealed bool) image {
	t.Helper()
	fsys := crashfs.New()
	s, err := Open("/spool", Options{FS: fsys, SegmentBytes: 8 << 10})
	must(t, err)
	var img image
	for n := range records {
		pos, err := s.Append(tiny(n))
		must(t, err)
		img.at = append(img.at, pos)
	}
	if sealed {
		must(t, s.Close())
	} else {
		killed := fsys.Kill()
		_ = s.Close()
		fsys = killed
	}
	entries, err := fsys.ReadDir("/spool")
	must(t, err)
	for _, e := range entries {
		if i, ok := parseFileName(e.Name()); ok {
			img.identity = i
			img.bytes = file(t, fsys, path.Join("/spool", e.Name()))
		}
	}
	return img
}

// tiny makes small records, so that every byte can be tried. Their payloads look
// like the beginning of a frame.
func tiny(n int) Record {
	payload := append(slices.Clone(marker), bytes.Repeat([]byte{byte('a' + n)}, 5+n)...)
	return Record{Tenant: fmt.Sprintf("t%d", n%2), Spans: n + 1, Time: epoch, Payload: payload}
}

// put makes a filesystem with a segment file in it.
func put(t *testing.T, i identity, content []byte) *crashfs.FS {
	t.Helper()
	fsys := crashfs.New()
	must(t, durable.MkdirAll(fsys, "/spool", 0o755))
	must(t, durable.WriteFile(fsys, path.Join("/spool", i.fileName()), content, 0o644))
	return fsys
}

// readTiny returns which records are read, checking each.
func readTiny(t *testing.T, s *Spool) (numbers []int) {
	t.Helper()
	r := s.NewReader()
	defer r.Close()
	for {
		e, err := r.Next(ended, nil)
		if err != nil {
			return numbers
		}
		n := e.Spans - 1
		if want := tiny(n); n > 20 || e.Tenant != want.Tenant || !bytes.Equal(e.Payload, want.Payload) {
			t.Fatalf("invented: %+v", e)
		}
		numbers = append(numbers, n)
	}
}

// Every byte of a segment is flipped: it costs at most the record it is in, and
// what it costs is counted.
func TestFlippedBytes(t *testing.T) {
	const records = 6
	for _, sealed := range []bool{true, false} {
		img := takeImage(t, records, sealed)
		dataEnd := img.at[records-1].Offset + headerSize + 2 + int64(len(tiny(records-1).Payload))
		end := dataEnd + 64 // and a little of the zeros behind
		if sealed {
			end = int64(len(img.bytes))
		}
		for off := range end {
			for _, mask := range []byte{1 << (off % 8), 0xff} {
				b := slices.Clone(img.bytes)
				b[off] ^= mask
				flipped(t, img, put(t, img.identity, b), off, records, sealed)
			}
		}
	}
}

func flipped(t *testing.T, img image, fsys *crashfs.FS, off int64, records int, sealed bool) {
	t.Helper()
	where := fmt.Sprintf("sealed %v, offset %d", sealed, off)
	report, err := Verify(fsys, "/spool")
	must(t, err)
	steps := fsys.Steps()
	inspected, err := Inspect(fsys, "/spool")
	must(t, err)
	if fsys.Steps() != steps {
		t.Fatalf("%s: Verify or Inspect changed something", where)
	}

	s, err := Open("/spool", Options{FS: fsys, CheckpointEvery: -1, SegmentBytes: 8 << 10})
	must(t, err)
	defer s.Close()
	hit := -1 // the record that is damaged
	for n, pos := range img.at {
		if off >= pos.Offset && off < pos.Offset+headerSize+2+int64(len(tiny(n).Payload)) {
			hit = n
		}
	}
	want := upTo(records)
	if hit >= 0 {
		want = slices.Delete(want, hit, hit+1)
	}
	if got := readTiny(t, s); !slices.Equal(got, want) {
		t.Fatalf("%s: read %v, want %v", where, got, want)
	}
	st := s.Status()
	if hit < 0 {
		if st.Lost.Records != 0 || report.Intact.Records != int64(records) {
			t.Fatalf("%s: nothing was lost, status %+v, report %+v", where, st, report)
		}
		return
	}
	if len(report.Damage) == 0 || report.Intact.Records != int64(records-1) {
		t.Fatalf("%s: Verify did not find it: %+v", where, report)
	}
	if st.QuarantinedFiles == 0 {
		t.Fatalf("%s: nothing in quarantine", where)
	}
	if !sealed && hit == records-1 {
		// The last group that was written: not to be told from a torn one.
		if st.Torn.Times == 0 {
			t.Fatalf("%s: not even counted as torn: %+v", where, st)
		}
		return
	}
	lost := Counts{1, int64(tiny(hit).Spans)}
	if st.Lost.Counts != lost || st.Pending.Counts.plus(lost) != wholeCounts(records) {
		t.Fatalf("%s: lost %+v, pending %+v", where, st.Lost, st.Pending)
	}
	if inspected.Lost.Records > 1 || !sealed && inspected.Lost.Counts != lost {
		t.Fatalf("%s: Inspect says lost %+v", where, inspected.Lost)
	}
	if report.Sound() {
		t.Fatalf("%s: reported as sound: %+v", where, report)
	}
	finishes(t, s, fsys, where, sealed, records, hit)
}

func wholeCounts(records int) (c Counts) {
	for n := range records {
		c = c.plus(Counts{1, int64(tiny(n).Spans)})
	}
	return c
}

// finishes releases the rest: the segment goes, the loss stays in the books, by tenant.
func finishes(t *testing.T, s *Spool, fsys *crashfs.FS, where string, sealed bool, records, hit int) {
	t.Helper()
	for i, err := range s.Pending(Position{}) {
		must(t, err)
		must(t, s.Release(i.Position))
	}
	must(t, s.Close())
	st, err := Inspect(fsys, "/spool")
	must(t, err)
	lost := tiny(hit)
	tenant := lost.Tenant
	if st.Lost.Tenants[""].Records > 0 && !sealed {
		tenant = "" // no footer has it, and the record's header is damaged
	}
	if len(st.Segments) != 0 || st.Pending.Records != 0 || st.Lost.Tenants[tenant] != (Counts{1, int64(lost.Spans)}) ||
		st.Lost.Counts.plus(st.Released.Counts) != wholeCounts(records) {
		t.Fatalf("%s: in the end %+v", where, st)
	}
}

// A segment cut at any length gives what is whole, and costs nothing else.
func TestTruncatedSegment(t *testing.T) {
	const records = 6
	for _, sealed := range []bool{true, false} {
		img := takeImage(t, records, sealed)
		for length := range len(img.bytes) + 1 {
			if length > 2000 {
				break
			}
			whole := 0
			for n, pos := range img.at {
				if int64(length) >= pos.Offset+headerSize+2+int64(len(tiny(n).Payload)) {
					whole++
				}
			}
			s, err := Open("/spool", Options{FS: put(t, img.identity, img.bytes[:length]), SegmentBytes: 8 << 10})
			must(t, err)
			if got := readTiny(t, s); !slices.Equal(got, upTo(whole)) {
				t.Fatalf("cut to %d of %d bytes: read %v, want %d records", length, len(img.bytes), got, whole)
			}
			_, err = s.Append(tiny(0))
			must(t, err)
			if st := s.Status(); st.Lost.Records != 0 || st.Pending.Records != int64(whole)+1 {
				t.Fatalf("cut to %d: %+v", length, st)
			}
			must(t, s.Close())
		}
	}
}

// Frames of another segment, at the very same offsets, must not be taken for
// records: space on disk is used again.
func TestRecycledFramesAreNotRead(t *testing.T) {
	old := takeImage(t, 6, false)
	fresh := takeImage(t, 2, false)
	if old.identity == fresh.identity || old.at[3].Offset <= fresh.at[1].Offset {
		t.Fatal("the images are not as this test needs them")
	}
	b := slices.Clone(old.bytes)
	copy(b, fresh.bytes[:old.at[2].Offset])
	s, err := Open("/spool", Options{FS: put(t, fresh.identity, b), SegmentBytes: 8 << 10})
	must(t, err)
	defer s.Close()
	if got := readTiny(t, s); !slices.Equal(got, []int{0, 1}) {
		t.Errorf("read %v", got)
	}
}

// Frames of the same segment somewhere else, as in a payload, are none.
func TestMovedFramesAreNotRead(t *testing.T) {
	img := takeImage(t, 6, false)
	b := slices.Clone(img.bytes)
	end := img.at[5].Offset + 200
	copy(b[end:], img.bytes[img.at[0].Offset:end])
	s, err := Open("/spool", Options{FS: put(t, img.identity, b), SegmentBytes: 8 << 10})
	must(t, err)
	defer s.Close()
	if got := readTiny(t, s); !slices.Equal(got, upTo(6)) {
		t.Errorf("read %v", got)
	}
}

// The name and the header say which segment it is; either may be damaged.
func TestSegmentIdentity(t *testing.T) {
	img := takeImage(t, 3, true)
	other := identity{img.id, img.salt + 1}
	fsys := put(t, other, img.bytes)
	s, err := Open("/spool", Options{FS: fsys, SegmentBytes: 8 << 10})
	must(t, err)
	st := s.Status()
	if st.UnreadableSegments != 1 || st.Bytes < int64(len(img.bytes)) || st.LastError == "" {
		t.Errorf("a segment under a wrong name: %+v", st)
	}
	pos, err := s.Append(tiny(0))
	must(t, err)
	if pos.Segment <= img.id {
		t.Errorf("the id %d was used again", pos.Segment)
	}
	must(t, s.Close())
	if _, err := fsys.OpenFile(path.Join("/spool", other.fileName()), os.O_RDONLY, 0); err != nil {
		t.Errorf("what could not be read was deleted: %v", err)
	}
	report, err := Verify(fsys, "/spool")
	must(t, err)
	if report.Sound() || len(report.Unreadable) != 1 {
		t.Errorf("report %+v", report)
	}
}

func TestQuarantineIsBounded(t *testing.T) {
	fsys := crashfs.New()
	opts := Options{FS: fsys, SegmentBytes: 4 << 10, quarantineBytes: 3000}
	s, err := Open("/spool", opts)
	must(t, err)
	for range 12 {
		_, err := s.Append(Record{Payload: bytes.Repeat([]byte("x"), 2000)})
		must(t, err)
	}
	must(t, s.Close())
	entries, err := fsys.ReadDir("/spool")
	must(t, err)
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), segmentSuffix) {
			h, err := fsys.OpenFile(path.Join("/spool", e.Name()), os.O_RDWR, 0)
			must(t, err)
			must(t, h.WritevAt([][]byte{[]byte("y")}, 1000))
		}
	}
	s, err = Open("/spool", opts)
	must(t, err)
	defer s.Close()
	if got := mustPass(t, s); len(got) != 0 {
		t.Errorf("read damaged records: %v", got)
	}
	st := s.Status()
	if st.Lost.Records < 6 || st.QuarantinedBytes > opts.quarantineBytes || st.QuarantinedFiles != 1 {
		t.Errorf("status %+v", st)
	}
}

// A cursor is for one segment, not for another one that was given its id.
func TestCursorOfAnotherSegment(t *testing.T) {
	img := takeImage(t, 3, true)
	fsys := put(t, img.identity, img.bytes)
	other := identity{img.id, img.salt + 1}
	b, err := encodeState(state{Segments: []cursor{{Segment: other.String(), Offset: img.at[2].Offset, Index: 2, Before: 3}}})
	must(t, err)
	must(t, durable.WriteFile(fsys, "/spool/"+stateName, b, 0o644))
	s, err := Open("/spool", Options{FS: fsys, SegmentBytes: 8 << 10})
	must(t, err)
	defer s.Close()
	if got := readTiny(t, s); !slices.Equal(got, upTo(3)) {
		t.Errorf("read %v", got)
	}
}

func TestLaterVersionsAreRefused(t *testing.T) {
	img := takeImage(t, 3, true)
	b := slices.Clone(img.bytes)
	order.PutUint32(b[8:], formatVersion+1)
	order.PutUint32(b[segmentHeader-4:], payloadSum(b[:segmentHeader-4]))
	if _, err := Open("/spool", Options{FS: put(t, img.identity, b), SegmentBytes: 8 << 10}); err == nil || !strings.Contains(err.Error(), "version 2, want 1") {
		t.Errorf("segment: %v", err)
	}
	fsys := put(t, img.identity, img.bytes)
	must(t, durable.WriteFile(fsys, "/spool/"+stateName, fmt.Appendf(nil, "%s 2 %08x\n{}", stateMagic, stateSum(2, []byte("{}"))), 0o644))
	if _, err := Open("/spool", Options{FS: fsys, SegmentBytes: 8 << 10}); err == nil || !strings.Contains(err.Error(), "version 2, want 1") {
		t.Errorf("state: %v", err)
	}
}
