package tail

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"
	"unsafe"
)

func numbered(n uint64) (k key) {
	binary.BigEndian.PutUint64(k.id[8:], n) // no randomness at all
	return k
}

// TestTableEqualsMap compares a table with a map and a queue.
func TestTableEqualsMap(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, start := range []uint64{0, numbers - 3000} { // numbers wrap around in the second
		tb := newTable[trace, *trace]()
		tb.first, tb.next = start/chunkLen*chunkLen, start/chunkLen*chunkLen
		model, queue := map[key]uint32{}, []key{}
		for step := range 60_000 {
			most := 1 + 8000*(step/20_000%2) + 50
			k := numbered(r.Uint64N(20_000))
			got := tb.find(k)
			want, ok := model[k]
			switch {
			case (got != nil) != ok, ok && got.spans != want:
				t.Fatalf("step %d: found %v, want %v %v", step, got, want, ok)
			case !ok:
				tb.add(func(e *trace) { e.id, e.tenant, e.spans = k.id, k.tenant, uint32(step) })
				model[k] = uint32(step)
				queue = append(queue, k)
			}
			if drop := len(queue) - most; drop > 0 && r.IntN(4) == 0 {
				tb.dropTo(tb.first + uint64(drop))
				for _, k := range queue[:drop] {
					delete(model, k)
				}
				queue = queue[drop:]
			}
			if tb.len() != len(queue) {
				t.Fatalf("step %d: %d entries, want %d", step, tb.len(), len(queue))
			}
		}
		for i, k := range queue {
			if e := tb.at(tb.first + uint64(i)); e.of() != k || tb.find(k) != e {
				t.Fatalf("entry %d is %v, want %v", i, e.of(), k)
			}
		}
	}
}

func TestMemoryOfATrace(t *testing.T) {
	tb := newTable[trace, *trace]()
	worst := 0.0
	for n := range uint64(300_000) {
		tb.add(func(e *trace) { e.id = numbered(n).id })
		if n > 10*chunkLen {
			worst = max(worst, float64(tb.bytes(int(unsafe.Sizeof(trace{}))))/float64(tb.len()))
		}
	}
	if worst > 64 {
		t.Errorf("a trace takes up to %.1f bytes, and 64 are promised", worst)
	}
	late := float64(unsafe.Sizeof(verdictOf{})) + 4*8/3.0
	if late > 40 {
		t.Errorf("a remembered verdict takes up to %.1f bytes, and the documentation says 40", late)
	}
	tb.dropTo(tb.next)
	if b := tb.bytes(int(unsafe.Sizeof(trace{}))); b > 100<<10 {
		t.Errorf("an empty table keeps %d bytes", b)
	}
}
