package blockids

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"testing"
)

// testdata/tempo-2.7.2.* was written by Tempo 2.7.2: 100 traces of three spans each. Trace i has the first 16 bytes
// of sha256("trace-<i>") as id, its span j the first 8 of sha256("span-<i>-<j>"), of kind server, client, producer.
func block(t testing.TB) []byte {
	t.Helper()
	data, err := os.ReadFile("testdata/tempo-2.7.2.parquet")
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestSpans(t *testing.T) {
	data := block(t)
	got := map[string]int{}
	err := Spans(bytes.NewReader(data), int64(len(data)), func(traceID, spanID []byte, kind int64) bool {
		got[fmt.Sprintf("%x %x %d", traceID, spanID, kind)]++
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	first := -1
	for _, start := range []int{0, 100, 150} {
		id := sha256.Sum256(fmt.Appendf(nil, "trace-%d", start))
		span := sha256.Sum256(fmt.Appendf(nil, "span-%d-0", start))
		if got[fmt.Sprintf("%x %x %d", id[:16], span[:8], 2)] == 1 {
			first = start
			break
		}
	}
	if first < 0 || len(got) != 300 {
		t.Fatalf("%d spans, none of the first traces of a flush", len(got))
	}
	for i := first; i < first+100; i++ {
		id := sha256.Sum256(fmt.Appendf(nil, "trace-%d", i))
		for j, kind := range []int{2, 3, 4} {
			span := sha256.Sum256(fmt.Appendf(nil, "span-%d-%d", i, j))
			if n := got[fmt.Sprintf("%x %x %d", id[:16], span[:8], kind)]; n != 1 {
				t.Errorf("span %d of trace %d was reported %d times", j, i, n)
			}
		}
	}
}

func TestSpansStops(t *testing.T) {
	data := block(t)
	seen := 0
	if err := Spans(bytes.NewReader(data), int64(len(data)), func(_, _ []byte, _ int64) bool { seen++; return seen < 7 }); err != nil || seen != 7 {
		t.Fatalf("%d spans, %v", seen, err)
	}
}

// A missing byte is noticed. A flipped one may be of another column, but it never ends the process.
func TestSpansOfDamage(t *testing.T) {
	data := block(t)
	refused := 0
	for at := 0; at < len(data); at += 97 {
		cut := data[:at]
		if err := Spans(bytes.NewReader(cut), int64(at), func(_, _ []byte, _ int64) bool { return true }); err == nil {
			t.Fatalf("a file cut at byte %d was read", at)
		}
		flipped := bytes.Clone(data)
		flipped[at] ^= 0x40
		if err := Spans(bytes.NewReader(flipped), int64(len(flipped)), func(_, _ []byte, _ int64) bool { return true }); err != nil {
			refused++
		}
	}
	if refused == 0 {
		t.Error("no damage was noticed")
	}
}

func TestSpansOfOtherFiles(t *testing.T) {
	for name, data := range map[string][]byte{"empty": {}, "text": []byte("PAR1 and then nothing of the kind PAR1")} {
		if err := Spans(bytes.NewReader(data), int64(len(data)), nil); err == nil || errors.Is(err, ErrFormat) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestParseMeta(t *testing.T) {
	text, err := os.ReadFile("testdata/tempo-2.7.2.meta.json")
	if err != nil {
		t.Fatal(err)
	}
	m, err := ParseMeta(text)
	if err != nil || m.TotalObjects != 100 || m.Format != "vParquet4" || m.TenantID != "single-tenant" || m.Size != int64(len(block(t))) || m.StartTime.IsZero() || m.EndTime.Before(m.StartTime) {
		t.Fatalf("%+v, %v", m, err)
	}
	for n := range len(text) - 1 {
		if _, err := ParseMeta(text[:n]); err == nil {
			t.Fatalf("a meta.json of %d of %d bytes was taken", n, len(text))
		}
	}
}

func BenchmarkSpans(b *testing.B) {
	data := block(b)
	for b.Loop() {
		n := 0
		if err := Spans(bytes.NewReader(data), int64(len(data)), func(_, _ []byte, _ int64) bool { n++; return true }); err != nil || n != 300 {
			b.Fatal(n, err)
		}
	}
}
