package block

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"appliance/internal/block/blocktest"
	"appliance/internal/block/parquet"
)

// memory is a block in memory.
type memory map[string][]byte

func (m memory) ReadAt(ctx context.Context, name string, p []byte, off int64) (int, error) {
	data, ok := m[name]
	if !ok {
		return 0, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return bytes.NewReader(data).ReadAt(p, off)
}

func (m memory) Size(_ context.Context, name string) (int64, error) {
	data, ok := m[name]
	if !ok {
		return 0, &fs.PathError{Op: "stat", Path: name, Err: fs.ErrNotExist}
	}
	return int64(len(data)), nil
}

func loadMemory(t testing.TB, dir string) memory {
	t.Helper()
	m := memory{}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if m[e.Name()], err = os.ReadFile(filepath.Join(dir, e.Name())); err != nil {
			t.Fatal(err)
		}
	}
	return m
}

func verify(t testing.TB, m memory) (Report, error) {
	t.Helper()
	b, err := Open(t.Context(), m, Options{})
	if err != nil {
		return Report{}, err
	}
	return b.Verify(t.Context(), 1)
}

func TestVerifyTempo(t *testing.T) {
	for name, traces := range map[string]int64{"level0": 100, "level1": 250} {
		m := loadMemory(t, "testdata/tempo-2.7.2/"+name)
		r, err := verify(t, m)
		if err != nil || r.Traces != traces || r.Spans != 3*traces || r.Pages < 103 || r.RowGroups != 1 {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
		delete(m, IndexName) // not every version of Tempo writes one
		if _, err := verify(t, m); err != nil {
			t.Errorf("%s without an index: %v", name, err)
		}
	}
}

func TestVerifyBuilt(t *testing.T) {
	for seed := range uint64(4) {
		opts := BuilderOptions{PageSpans: 40, DigestKey: 1}
		if seed%2 == 0 {
			opts.RowGroupBytes = 64 << 10
		}
		b, stats := built(t, blocktest.Records(seed, blocktest.Random(seed, 60)), opts)
		r, err := b.Verify(t.Context(), 1)
		if err != nil || r.Digest != stats.Digest || r.Spans != stats.Spans || r.Traces != stats.Traces {
			t.Errorf("seed %d: %+v, want %+v, %v", seed, r, stats, err)
		}
	}
}

func TestVerifyRefuses(t *testing.T) {
	change := func(old, with string) func(memory) {
		return func(m memory) { m[MetaName] = bytes.Replace(m[MetaName], []byte(old), []byte(with), 1) }
	}
	for want, damage := range map[string]func(m memory){
		"unknown block format":   change("vParquet4", "vParquet9"),
		"names 0 blooms":         change(`"bloomShards":1`, `"bloomShards":0`),
		"names 100000000 blooms": change(`"bloomShards":1`, `"bloomShards":100000000`),
		"bloom-1":                change(`"bloomShards":1`, `"bloomShards":2`),
		"and meta.json says 7":   change(`"size":49563`, `"size":7`),
		"says 99":                change(`"totalObjects":100`, `"totalObjects":99`),
		"row groups, and":        change(`"totalRecords":1`, `"totalRecords":2`),
		"footer of":              change(`"footerSize":17456`, `"footerSize":17455`),
		"more than":              func(m memory) { m[IndexName] = make([]byte, maxIndexBytes+1) },
		"index of 1 bytes":       func(m memory) { m[IndexName] = []byte("{") },
		"has 0 row groups of 1":  func(m memory) { m[IndexName] = []byte("{}") },
		"and index says":         func(m memory) { m[IndexName] = []byte(`{"rowGroups":["AAAA"]}`) },
		"bits and":               func(m memory) { m["bloom-0"] = bytes.Repeat([]byte{0xff}, 1000) },
		"is not in its bloom":    func(m memory) { clear(m["bloom-0"][24:]) },
		"it begins with":         func(m memory) { m[DataName][1]++ },
		"parquet file is":        func(m memory) { clear(m[DataName]) },
		"file does not exist":    func(m memory) { delete(m, "bloom-0") },
		"meta.json: file":        func(m memory) { delete(m, MetaName) },
	} {
		m := loadMemory(t, "testdata/tempo-2.7.2/level0")
		damage(m)
		_, err := verify(t, m)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

// A flipped bit in the pages or their indexes is found, or changes nothing that
// is read: statistics that only a page's header has, the name of the writer.
func TestVerifyFindsFlippedBits(t *testing.T) {
	m := loadMemory(t, "testdata/tempo-2.7.2/level0")
	want, err := verify(t, m)
	if err != nil {
		t.Fatal(err)
	}
	data := m[DataName]
	missed, unread, tried := 0, 0, 0
	for at := 0; at < len(data); at += 83 {
		data[at] ^= 1 << (at % 8)
		switch got, err := verify(t, m); {
		case err == nil && got != want:
			t.Errorf("byte %d: the block was verified, and %+v was read, not %+v", at, got, want)
		case err == nil:
			missed++
		case !errors.Is(err, ErrDamaged) && !errors.Is(err, parquet.ErrUnsupported):
			t.Errorf("byte %d: %v", at, err)
		}
		if got, err := digest(t, m); err == nil && got != want.Digest {
			t.Errorf("byte %d: other spans were read", at)
		} else if err == nil {
			unread++
		}
		data[at] ^= 1 << (at % 8)
		tried++
	}
	t.Logf("of %d flipped bits verification found %d, and reading %d", tried, tried-missed, tried-unread)
	if missed > tried/10 {
		t.Errorf("%d of %d flipped bits were not found", missed, tried)
	}
}

func digest(t testing.TB, m memory) (Digest, error) {
	t.Helper()
	b, err := Open(t.Context(), m, Options{})
	if err != nil {
		return Digest{}, err
	}
	return b.Digest(t.Context(), 1)
}

// Two traces that changed places are found by nothing but their order.
func TestVerifyOrder(t *testing.T) {
	m := loadMemory(t, "testdata/tempo-2.7.2/level0")
	m[DataName] = withoutChecksums(t, m[DataName])
	var ids [][]byte
	b, err := openData(t, m, m[DataName])
	if err != nil {
		t.Fatal(err)
	}
	err = Spans(t.Context(), at{t.Context(), b}, b.meta.Size, func(traceID, _ []byte, _ int64) bool {
		if len(ids) == 0 || !bytes.Equal(ids[len(ids)-1], traceID) {
			ids = append(ids, bytes.Clone(traceID))
		}
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	both := append(bytes.Clone(ids[40]), ids[41]...)
	swapped := append(bytes.Clone(ids[41]), ids[40]...)
	if !bytes.Contains(m[DataName], both) {
		t.Fatal("two trace ids do not stand beside each other")
	}
	if b, err = openData(t, m, bytes.Replace(m[DataName], both, swapped, 1)); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Verify(t.Context(), 0); !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), "stands after") {
		t.Errorf("of traces that changed places: %v", err)
	}
}

// TestPageWithoutRoot has a page of nothing but children after one with a root, whose
// parent is empty: the least value there is.
func TestPageWithoutRoot(t *testing.T) {
	var spans []blocktest.Span
	for i := range byte(20) {
		s := blocktest.Span{
			TraceID: bytes.Repeat([]byte{1 + i/10}, 16), SpanID: bytes.Repeat([]byte{1 + i}, 8), Parent: []byte("\xa0parent!"), Name: "a", Start: 1, End: 2,
		}
		if i == 0 {
			s.Parent = nil
		}
		spans = append(spans, s)
	}
	record := blocktest.Append(nil, blocktest.ResourceSpans{Scopes: []blocktest.ScopeSpans{{Spans: spans}}})
	b, _ := built(t, [][]byte{record}, BuilderOptions{PageSpans: 10})
	report, err := b.Verify(t.Context(), 1)
	if err != nil || report.Spans != 20 {
		t.Errorf("%d spans, error %v", report.Spans, err)
	}
}
