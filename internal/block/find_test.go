package block

import (
	"bytes"
	"context"
	"errors"
	"sync/atomic"
	"testing"
)

func TestTraceOfTempo(t *testing.T) {
	for name, first := range map[string]int{"level0": 0, "level1": 0} {
		b := openBlock(t, "testdata/tempo-2.7.2/"+name)
		count := int(b.Meta().TotalObjects)
		for i := range 400 {
			id := tempoTraceID(i)
			may, err := NewBlooms(b.src, b.meta.BloomShards, nil).MayHave(t.Context(), id)
			if err != nil {
				t.Fatal(err)
			}
			data, err := b.Trace(t.Context(), id, []byte("before"))
			if i < first || i >= first+count {
				if !errors.Is(err, ErrNotFound) || string(data) != "before" {
					t.Fatalf("%s: trace %d that is not there: %q, %v", name, i, data, err)
				}
				continue
			}
			if err != nil || !may || !bytes.HasPrefix(data, []byte("before")) {
				t.Fatalf("%s: trace %d: %v, in the bloom %v", name, i, err, may)
			}
			if n := checkTempoTrace(t, data[len("before"):], i); n != 3 {
				t.Errorf("%s: trace %d has %d spans", name, i, n)
			}
		}
	}
}

// A bloom says no to most identifiers that are not there.
func TestMayHave(t *testing.T) {
	b := openBlock(t, "testdata/tempo-2.7.2/level1")
	wrong := 0
	for i := 1000; i < 3000; i++ {
		if may, err := NewBlooms(b.src, b.meta.BloomShards, nil).MayHave(t.Context(), tempoTraceID(i)); err != nil {
			t.Fatal(err)
		} else if may {
			wrong++
		}
	}
	if wrong > 40 {
		t.Errorf("%d of 2000 identifiers that are not there may be there", wrong)
	}
}

// counting counts the bytes that are read.
type counting struct {
	Source
	bytes, calls atomic.Int64
}

func (c *counting) ReadAt(ctx context.Context, name string, p []byte, off int64) (int, error) {
	c.calls.Add(1)
	c.bytes.Add(int64(len(p)))
	return c.Source.ReadAt(ctx, name, p, off)
}

// With Parallel the same trace is read, in as many goroutines.
func TestTraceInParallel(t *testing.T) {
	dir := OpenDir("testdata/tempo-2.7.2/level1")
	defer dir.Close()
	var want []byte
	for _, opts := range []Options{{}, {Parallel: 8, Gap: -1}, {Gap: 1 << 20}} {
		src := &counting{Source: dir}
		b, err := Open(t.Context(), src, opts)
		if err != nil {
			t.Fatal(err)
		}
		got, err := b.Trace(t.Context(), tempoTraceID(7), nil)
		if err != nil || want != nil && !bytes.Equal(got, want) {
			t.Fatalf("%+v: %d bytes, want %d, %v", opts, len(got), len(want), err)
		}
		want = got
		t.Logf("%+v: %d reads of %d bytes", opts, src.calls.Load(), src.bytes.Load())
	}
}
