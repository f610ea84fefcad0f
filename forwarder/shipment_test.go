package forwarder

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"appliance/internal/spool"
)

type record struct {
	at    spool.Position
	spans int
}

// A shipment gives back the records that it was made of, and knows each of its spans.
func TestShipment(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := &shipment{}
		var want []record
		pos := spool.Position{Segment: rapid.Uint64().Draw(t, "segment"), Offset: rapid.Int64Range(0, 1<<40).Draw(t, "offset")}
		spans, bytes := 0, 0
		for range rapid.IntRange(1, 40).Draw(t, "records") {
			r := record{pos, rapid.IntRange(0, 300).Draw(t, "spans")}
			size := rapid.IntRange(1, 1<<26).Draw(t, "bytes")
			if !s.fits(spool.Entry{Position: pos, Record: spool.Record{Tenant: "a"}}) {
				t.Fatalf("the record at %s does not fit", pos)
			}
			s.add(pos, "a", r.spans, size)
			want = append(want, r)
			spans, bytes = spans+r.spans, bytes+size
			pos.Offset += int64(size) + 60
		}
		for _, other := range []spool.Entry{
			{Position: pos, Record: spool.Record{Tenant: "b"}},
			{Position: spool.Position{Segment: pos.Segment + 1, Offset: pos.Offset}, Record: spool.Record{Tenant: "a"}},
			{Position: want[len(want)-1].at, Record: spool.Record{Tenant: "a"}},
		} {
			if s.fits(other) {
				t.Fatalf("%+v fits", other)
			}
		}
		var got []record
		_ = s.each(func(pos spool.Position, spans int) error { got = append(got, record{pos, spans}); return nil })
		if !slices.Equal(got, want) || s.spans != spans || s.bytes != bytes || len(s.positions()) != len(want) {
			t.Fatalf("got %v, want %v", got, want)
		}
		proven := make([]bool, spans)
		for range rapid.IntRange(0, 2*spans).Draw(t, "proofs") {
			i := rapid.IntRange(0, spans-1).Draw(t, "span")
			proven[i] = true
			s.prove(i)
		}
		missing, first := spans, 0
		for i, p := range proven {
			if p {
				missing--
			}
			if s.proven.has(i) != p {
				t.Fatalf("span %d: proven %t, want %t", i, s.proven.has(i), p)
			}
		}
		var whole []spool.Position
		for _, r := range want {
			if !slices.Contains(proven[first:first+r.spans], false) {
				whole = append(whole, r.at)
			}
			first += r.spans
		}
		list, _ := s.provenRecords()
		if s.missing() != missing || !slices.Equal(list, whole) {
			t.Fatalf("missing %d, want %d; whole %v, want %v", s.missing(), missing, list, whole)
		}
	})
}

// tokens is a set.
func TestTokens(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		set, want := newTokens(1), map[uint64]bool{}
		// Few values, and some that share a slot.
		token := rapid.Custom(func(t *rapid.T) uint64 {
			return max(1, rapid.Uint64Range(0, 3).Draw(t, "high")<<32|rapid.Uint64Range(0, 1<<13).Draw(t, "low"))
		})
		for range rapid.IntRange(0, 300).Draw(t, "runs") {
			from := token.Draw(t, "token")
			for i := range rapid.Uint64Range(1, 40).Draw(t, "run") {
				set.add(from + i)
				want[from+i] = true
			}
			if rapid.IntRange(0, 100).Draw(t, "clear") == 0 {
				set.clear()
				clear(want)
			}
		}
		if set.n != len(want) {
			t.Fatalf("%d tokens, want %d", set.n, len(want))
		}
		for range 200 {
			probe := token.Draw(t, "probe")
			if set.has(probe) != want[probe] {
				t.Fatalf("token %x: %t", probe, set.has(probe))
			}
		}
		for w := range want {
			if !set.has(w) {
				t.Fatalf("token %x is missing", w)
			}
		}
	})
}

// Tokens of spans are never the one that stands for an empty slot.
func TestTokenIsNotEmpty(t *testing.T) {
	set := newTokens(3)
	if set.has(set.token(nil, nil, 0)) {
		t.Error("an empty set has a token")
	}
}
