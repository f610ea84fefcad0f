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
		missing := spans
		finished := make([]bool, spans)
		for range rapid.IntRange(0, 2*spans).Draw(t, "ends") {
			i := rapid.IntRange(0, spans-1).Draw(t, "span")
			if s.finish(i) == finished[i] {
				t.Fatalf("span %d was finished before: %t", i, finished[i])
			}
			if !finished[i] {
				missing--
			}
			finished[i] = true
		}
		for i, f := range finished {
			if s.finished.has(i) != f {
				t.Fatalf("span %d: finished %t, want %t", i, !f, f)
			}
		}
		if s.missing() != missing {
			t.Fatalf("%d are missing, want %d", s.missing(), missing)
		}
	})
}
