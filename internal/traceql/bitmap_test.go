package traceql

import (
	"math/rand/v2"
	"testing"
)

func TestBitmapRanges(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 9))
	for range 2000 {
		n := 1 + r.IntN(400)
		b := NewBitmap(n)
		for range r.IntN(4) {
			b.Set(r.IntN(n))
		}
		from, to := r.IntN(n+1), r.IntN(n+70)
		some := false
		for i := from; i < min(to, n); i++ {
			some = some || b.Has(i)
		}
		if b.Any(from, to) != some {
			t.Fatalf("%v of %d: any from %d to %d is %v", b.words, n, from, to, !some)
		}
		at := r.IntN(n) &^ 63
		rest := b.From(at)
		for i := at; i < n; i++ {
			if rest.Has(i-at) != b.Has(i) {
				t.Fatalf("%v of %d: %d from %d is %v", b.words, n, i, at, rest.Has(i-at))
			}
		}
		if rest.Len() != n-at {
			t.Fatalf("%d of %d are from %d on", rest.Len(), n, at)
		}
	}
}
