package forwarder

import (
	"slices"
	"testing"
	"time"

	"appliance/internal/spool"
)

// What is parked shares requests, also where each record comes alone, in its
// order and up to the size of a request.
func TestParkedShareRequests(t *testing.T) {
	q := newLanes(4, 1000)
	var want, got []spool.Position
	for i := range int64(100) {
		s := &shipment{}
		pos := spool.Position{Segment: uint64(1 + i/50), Offset: 64 + 1000*i}
		s.add(pos, "a", 3, 150)
		q.park(s)
		want = append(want, pos)
	}
	if most := 18*parkedCost + 100*4; q.parked > most {
		t.Errorf("100 records take %d bytes, want at most %d", q.parked, most)
	}
	for {
		s, _ := q.pick(time.Now(), func(*shipment) bool { return true })
		if s == nil {
			break
		}
		if s.bytes > 1000 || s.spans != 3*s.records {
			t.Errorf("a request has %d bytes, %d spans, %d records", s.bytes, s.spans, s.records)
		}
		got = append(got, s.positions()...)
		q.release("a", false)
	}
	if !slices.Equal(got, want) || q.parked != 0 {
		t.Errorf("%d records came back, of %d; %d bytes are parked", len(got), len(want), q.parked)
	}
}
