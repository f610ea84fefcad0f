package block

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"testing"
)

func spansOf(t testing.TB, data []byte, visit func(traceID, spanID []byte, kind int64) bool) error {
	t.Helper()
	return Spans(t.Context(), bytes.NewReader(data), int64(len(data)), visit)
}

func TestSpans(t *testing.T) {
	got := map[string]int{}
	err := spansOf(t, loadMemory(t, "testdata/tempo-2.7.2/level0")[DataName], func(traceID, spanID []byte, kind int64) bool {
		got[fmt.Sprintf("%x %x %d", traceID, spanID, kind)]++
		return true
	})
	if err != nil || len(got) != 300 {
		t.Fatalf("%d spans, %v", len(got), err)
	}
	for i := range 100 {
		for j, kind := range []int{2, 3, 4} {
			span := sha256.Sum256(fmt.Appendf(nil, "span-%d-%d", i, j))
			if n := got[fmt.Sprintf("%x %x %d", tempoTraceID(i), span[:8], kind)]; n != 1 {
				t.Errorf("span %d of trace %d was reported %d times", j, i, n)
			}
		}
	}
}

func TestSpansStops(t *testing.T) {
	seen := 0
	err := spansOf(t, loadMemory(t, "testdata/tempo-2.7.2/level0")[DataName], func(_, _ []byte, _ int64) bool { seen++; return seen < 7 })
	if err != nil || seen != 7 {
		t.Fatalf("%d spans, %v", seen, err)
	}
}

// A missing byte is noticed. A flipped one may be of another column, but the
// spans are then right.
func TestSpansOfDamage(t *testing.T) {
	data := loadMemory(t, "testdata/tempo-2.7.2/level0")[DataName]
	token := func(data []byte) (sum uint64, err error) {
		err = spansOf(t, data, func(traceID, spanID []byte, kind int64) bool {
			h := sha256.Sum256(fmt.Appendf(nil, "%x %x %d", traceID, spanID, kind))
			sum += uint64(h[0]) | uint64(h[1])<<8 | uint64(h[2])<<16 | uint64(h[3])<<24
			return true
		})
		return sum, err
	}
	want, err := token(data)
	if err != nil {
		t.Fatal(err)
	}
	refused := 0
	for at := 0; at < len(data); at += 97 {
		if _, err := token(data[:at]); !errors.Is(err, ErrDamaged) {
			t.Fatalf("a file cut at byte %d: %v", at, err)
		}
		flipped := bytes.Clone(data)
		flipped[at] ^= 0x40
		if got, err := token(flipped); err != nil {
			refused++
		} else if got != want {
			t.Errorf("byte %d: other spans were read", at)
		}
	}
	if refused == 0 {
		t.Error("no damage was noticed")
	}
}

func TestSpansOfOtherFiles(t *testing.T) {
	for name, data := range map[string][]byte{"empty": {}, "text": []byte("PAR1 and then nothing of the kind PAR1")} {
		if err := spansOf(t, data, nil); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func BenchmarkSpans(b *testing.B) {
	block, stats := loadBlock(b, benchSpans)
	start := cpu(b)
	for b.Loop() {
		n := int64(0)
		f, err := block.src.(*Files).file(DataName)
		if err != nil {
			b.Fatal(err)
		}
		if err := Spans(b.Context(), f, block.meta.Size, func(_, _ []byte, _ int64) bool { n++; return true }); err != nil || n != stats.Spans {
			b.Fatal(n, err)
		}
	}
	reportCPU(b, start, stats.Spans)
}
