package block

import (
	"bytes"
	"maps"
	"runtime"
	"slices"
	"testing"
	"weak"
)

// Blocks of two formats that share the memory for reading read what each reads alone.
func TestReadersAreShared(t *testing.T) {
	names := []string{"peer/vparquet3", "peer/vparquet4", "tempo-2.7.2/level0", "tempo-2.7.2/level1"}
	shared := &Readers{}
	var alone, together []*Block
	var ids [][][16]byte
	most := 0
	for _, name := range names {
		b := openBlock(t, "testdata/"+name)
		other, err := Open(t.Context(), b.src, Options{Readers: shared})
		if err != nil {
			t.Fatal(err)
		}
		alone, together = append(alone, b), append(together, other)
		ids = append(ids, slices.Collect(maps.Keys(traceIDs(t, b))))
		most = max(most, len(ids[len(ids)-1]))
	}
	for i := range min(most, 100) {
		for k := range names {
			id := ids[k][i%len(ids[k])]
			want, err := alone[k].Trace(t.Context(), id, nil)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := together[k].Trace(t.Context(), id, nil); err != nil || !bytes.Equal(got, want) {
				t.Fatalf("trace %x of %s: %d bytes, want %d: %v", id, names[k], len(got), len(want), err)
			}
		}
	}
}

// Memory that is kept does not keep the block that was read into it.
func TestReadersKeepNoBlock(t *testing.T) {
	b := openBlock(t, "testdata/tempo-2.7.2/level1")
	r := newRowReader(b.layout)
	if err := r.seek(t.Context(), b, 0, 3, 1); err != nil {
		t.Fatal(err)
	}
	if _, err := r.trace(nil); err != nil {
		t.Fatal(err)
	}
	r.release()
	file := weak.Make(b.file)
	*b = Block{}
	runtime.GC()
	if file.Value() != nil {
		t.Error("the footer of a block is kept")
	}
	if n := r.held(); n == 0 || n > mostKept {
		t.Errorf("%d bytes of memory are kept", n)
	}
	runtime.KeepAlive(r)
}

// What a large trace needed is not kept for small ones.
func TestReadersKeepLittle(t *testing.T) {
	b := openBlock(t, "testdata/tempo-2.7.2/level1")
	m := &Readers{}
	r := m.get(b.layout, nil)
	r.out = make([]byte, mostKept+1)
	m.put(r)
	if m.idle.Get() != nil {
		t.Errorf("%d bytes of memory are kept", r.held())
	}
}
