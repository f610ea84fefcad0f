package forwarder

import (
	"encoding/hex"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// twins are trace ids that a hash of Tempo's cannot tell apart.
func twins(t testing.TB, first, second string) (a, b [16]byte) {
	t.Helper()
	for to, text := range map[*[16]byte]string{&a: first, &b: second} {
		if n, err := hex.Decode(to[:], []byte(text)); n != 16 || err != nil {
			t.Fatal(text, err)
		}
	}
	return a, b
}

// alike have one hash by themselves, alikeInA with "a" before them.
func alike(t testing.TB) (a, b [16]byte) {
	return twins(t, "eb5a0330971294903e208ac8ed83835f", "c0a9f5e4bcd506200e80c2fa47df4bbf")
}

func alikeInA(t testing.TB) (a, b [16]byte) {
	return twins(t, "c9548f5dd5f1ac5b04485be5bbdccb42", "6eded130db0794077916cc6ccec64fbe")
}

func TestHashIsTempos(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tenant, id := rapid.String().Draw(t, "tenant"), rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "id")
		want := fnv.New32()
		_, _ = want.Write([]byte(tenant))
		_, _ = want.Write(id)
		if got := fnv1(fnv1(fnvStart, []byte(tenant)), id); got != want.Sum32() {
			t.Fatalf("%x, want %x", got, want.Sum32())
		}
	})
	a, b := alike(t)
	if fnv1(fnvStart, a[:]) != fnv1(fnvStart, b[:]) {
		t.Error("the twins differ")
	}
	a, b = alikeInA(t)
	if h := fnv1(fnvStart, []byte("a")); fnv1(h, a[:]) != fnv1(h, b[:]) {
		t.Error("the twins of tenant a differ")
	}
}

// Traces that Tempo would take for one are not in one request, and the second
// is sent when the first was idle. All others, the first one's spans too, go at
// once.
func TestTwinsAreKeptApart(t *testing.T) {
	const idle = 600 * time.Millisecond
	a, b := alike(t)
	c, d := alikeInA(t)
	span := func(trace [16]byte, n byte) id { return id{Trace: trace, Span: [8]byte{n}, Kind: 2} }
	k, s := newTempo(t), openSpool(t, t.TempDir())
	o := k.settling(s)
	o.Settle, o.TraceIdle = 20*time.Millisecond, idle
	keep(t, s, "a", slices.Concat([]id{span(a, 1)}, upTo(0, 20), []id{span(b, 2), span(c, 3), span(d, 4)}, upTo(20, 20))...)
	keep(t, s, "b", span(c, 5), span(d, 6)) // alike for tenant a only
	k.start(o)
	empty(t, s)
	at := map[id]time.Time{}
	for span, n := range k.times() {
		if n != 1 {
			t.Errorf("%v was sent %d times", span, n)
		}
	}
	for _, r := range k.got() {
		traces := map[[16]byte]bool{}
		for _, span := range r.spans {
			at[span] = r.at
			traces[span.Trace] = true
		}
		if traces[a] && traces[b] || r.tenant == "a" && traces[c] && traces[d] {
			t.Errorf("twins are in one request of tenant %s", r.tenant)
		}
	}
	first := at[numbered(0)]
	for span, later := range map[id]bool{span(a, 1): false, span(b, 2): true, span(c, 3): false, span(d, 4): true, numbered(39): false} {
		if got := at[span].Sub(first) >= idle; got != later {
			t.Errorf("span %v was sent %s after the first", span, at[span].Sub(first))
		}
	}
	if at[span(c, 5)] != at[span(d, 6)] {
		t.Error("what is alike for another tenant only is kept apart")
	}
}

// However two traces with one hash take turns, never are both seen within the
// idle time, and one that comes back when it was told to gets its turn.
func TestTwinsTakeTurns(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const idle = 10
		r := newRecent(64)
		now := uint32(1)
		last := map[uint64]uint32{}
		due := map[uint64]uint32{} // when one that waits may come back
		for range rapid.IntRange(1, 200).Draw(t, "spans") {
			now += rapid.Uint32Range(0, 4).Draw(t, "ticks")
			print := rapid.Uint64Range(1, 2).Draw(t, "trace")
			other := 3 - print
			wait := r.enter(7, print, now, idle)
			if at := due[print]; at != 0 && now >= at && now < at+idle && wait > 0 {
				t.Fatalf("at %d trace %d is to wait for %d, and had its turn at %d", now, print, wait, at)
			}
			if wait > 0 {
				due[print] = now + wait
				continue
			}
			if l := last[other]; l != 0 && now-l < idle {
				t.Fatalf("at %d trace %d is seen, and the other was at %d", now, print, l)
			}
			last[print] = now
			clear(due) // the other one's turn comes later
		}
	})
}

// The table is bounded, and remembers as many traces as it has slots for but for a few.
func TestRecentRemembers(t *testing.T) {
	r := newRecent(aliveSlots)
	rng := rand.New(rand.NewPCG(1, 2))
	hashes := make([]uint32, aliveSlots/2)
	for i := range hashes {
		hashes[i] = rng.Uint32()
		r.enter(hashes[i], 1, 1, 10)
	}
	forgotten := 0
	for _, h := range hashes {
		if r.enter(h, 2, 1, 10) == 0 {
			forgotten++
		}
	}
	if forgotten > len(hashes)/50 {
		t.Errorf("%d of %d traces are forgotten", forgotten, len(hashes))
	}
}

// The cost of keeping traces apart, beside that of one scan of a request, which
// the receiver makes too.
func BenchmarkApart(b *testing.B) {
	batch := &batch{shipment: &shipment{tenant: "single-tenant"}, payload: payload(upTo(0, 1000)), spans: 1000}
	b.Run("scan", func(b *testing.B) {
		b.SetBytes(int64(len(batch.payload)))
		for b.Loop() {
			if _, err := requestLimits.Walk(batch.payload, nothing); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("apart", func(b *testing.B) {
		b.SetBytes(int64(len(batch.payload)))
		a := newApart(20 * time.Second)
		for b.Loop() {
			if _, wait, err := a.admit(batch); err != nil || wait > 0 {
				b.Fatal(wait, err)
			}
		}
	})
}

// TestApartForLong has the time pass what fits beside the bit of a trace that waits.
func TestApartForLong(t *testing.T) {
	const idle = 10
	for _, start := range []uint32{1, maxAge - 3, maxAge + 5, 1<<32 - 3} {
		r := newRecent(perBucket)
		if r.enter(7, 1, start, idle) != 0 {
			t.Errorf("at %d the first trace waits", start)
		}
		if r.enter(7, 2, start+5, idle) == 0 {
			t.Errorf("at %d another trace with its hash does not wait", start)
		}
		r.touch(7, 1, start+20)
		if r.enter(7, 2, start+25, idle) == 0 {
			t.Errorf("at %d another trace does not wait for one that was touched", start)
		}
	}
}
