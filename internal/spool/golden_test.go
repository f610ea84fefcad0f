package spool

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"appliance/internal/durable"
	"appliance/internal/durable/crashfs"
)

var update = flag.Bool("update", false, "write the golden files of the current format version")

// goldenLife makes a spool with one of everything: sealed segments, one of them
// partly released, one that is deleted, a record larger than a segment, and a
// segment whose writer was killed.
func goldenLife(t *testing.T) *crashfs.FS {
	t.Helper()
	fsys := crashfs.New()
	salt := uint64(0)
	opts := Options{
		FS: fsys, SegmentBytes: 4 << 10, CheckpointEvery: -1, NoSpare: true,
		now:  func() time.Time { return epoch },
		salt: func() uint64 { salt++; return salt * 0x0123456789abcdef },
	}
	s, err := Open("/spool", opts)
	must(t, err)
	at := appendNumbered(t, s, upTo(25)...)
	for _, n := range []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 16} {
		must(t, s.Release(at[n]))
	}
	_, err = s.Append(goldenLarge())
	must(t, err)
	appendNumbered(t, s, 25, 26)
	killed := fsys.Kill()
	_ = s.Close()
	return killed
}

func goldenLarge() Record {
	return Record{Tenant: "large", Spans: 1000, Time: epoch, Payload: bytes.Repeat([]byte("large"), 1000)}
}

// describe lists what is read, one JSON object a line.
func describe(t *testing.T, s *Spool) []byte {
	t.Helper()
	r := s.NewReader()
	defer r.Close()
	var out []byte
	for {
		e, err := r.Next(ended, nil)
		if err != nil {
			return out
		}
		line, err := json.Marshal(map[string]any{
			"position": e.Position.String(), "tenant": e.Tenant, "spans": e.Spans,
			"time": e.Time.UTC(), "bytes": len(e.Payload), "payload_crc32c": fmt.Sprintf("%08x", payloadSum(e.Payload)),
		})
		must(t, err)
		out = append(append(out, line...), '\n')
	}
}

// A directory that version 1 wrote is read as it was then, and written
// today byte for byte the same.
func TestGoldenFormat(t *testing.T) {
	written := goldenLife(t)
	golden := filepath.Join("testdata", fmt.Sprintf("v%d", formatVersion))
	if *update {
		writeGolden(t, written, golden)
	}
	entries, err := os.ReadDir(golden)
	must(t, err)
	stored := crashfs.New()
	must(t, durable.MkdirAll(stored, "/spool", 0o755))
	var names []string
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(golden, e.Name()))
		must(t, err)
		must(t, durable.WriteFile(stored, "/spool/"+e.Name(), b, 0o644))
		names = append(names, e.Name())
		if now := file(t, written, "/spool/"+e.Name()); !bytes.Equal(now, b) {
			t.Errorf("%s is written differently today", e.Name())
		}
	}
	must(t, written.Remove("/spool/"+stateName+durable.TempSuffix)) // room, which means nothing
	// which spools of before do not have
	must(t, written.Remove("/spool/"+stateCopy))
	now, err := written.ReadDir("/spool")
	must(t, err)
	if len(now) != len(names) {
		t.Errorf("today's files are %v, not %v", now, names)
	}

	s, err := Open("/spool", Options{FS: stored})
	must(t, err)
	defer s.Close()
	want, err := os.ReadFile(golden + ".jsonl")
	must(t, err)
	if got := describe(t, s); !bytes.Equal(got, want) {
		t.Errorf("read:\n%s\nwant:\n%s", got, want)
	}
	st := s.Status()
	if st.Released.Records != 15 || st.Pending.Records != 13 || st.Lost.Records != 0 || st.Torn.Times != 0 {
		t.Errorf("status %+v", st)
	}
}

func writeGolden(t *testing.T, written *crashfs.FS, golden string) {
	t.Helper()
	must(t, os.RemoveAll(golden))
	must(t, os.MkdirAll(golden, 0o755))
	entries, err := written.ReadDir("/spool")
	must(t, err)
	for _, e := range entries {
		must(t, os.WriteFile(filepath.Join(golden, e.Name()), file(t, written, "/spool/"+e.Name()), 0o644))
	}
	s, err := Open("/spool", Options{FS: goldenLife(t), SegmentBytes: 4 << 10})
	must(t, err)
	must(t, os.WriteFile(golden+".jsonl", describe(t, s), 0o644))
	must(t, s.Close())
}

// The largest and smallest values of each field of a header.
func TestHeaderRoundTrip(t *testing.T) {
	for _, h := range []header{
		{kind: kindRecord},
		{kind: kindFooter, tenant: "t", payload: 1, index: 2, spans: 3, group: 4, time: 5, before: 6, sum: 7},
		{kind: kindRecord, tenant: string(make([]byte, MaxTenant)), payload: 1<<32 - 1, index: 1<<32 - 1, spans: 1<<32 - 1,
			group: 1<<32 - 1, time: -1, before: 1<<64 - 1, sum: 1<<32 - 1},
	} {
		b := h.appendTo(nil, 99, 64)
		got, ok := parseHeader(b, 99, 64)
		if !ok || got != h {
			t.Errorf("%+v became %+v, %v", h, got, ok)
		}
		if _, ok := parseHeader(b, 98, 64); ok {
			t.Error("valid with another salt")
		}
		if _, ok := parseHeader(b, 99, 65); ok {
			t.Error("valid at another offset")
		}
		if _, ok := parseHeader(b[:len(b)-1], 99, 64); ok {
			t.Error("valid although cut")
		}
	}
	if names := []string{"0000000000000001-00000000000000ff.seg", "1-2.seg", "0000000000000001-00000000000000FF.seg", "x.seg", "state"}; !slices.Equal(
		slices.Collect(func(yield func(bool) bool) {
			for _, n := range names {
				_, ok := parseFileName(n)
				yield(ok)
			}
		}), []bool{true, false, false, false, false}) {
		t.Error("file names are not told apart")
	}
}
