package forwarder

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"appliance/internal/otlpwire"
	"appliance/internal/spool"
)

// shipment is consecutive records of one tenant and one segment that
// share a request, until they leave the spool. A million spans in flight are a
// few hundred of them, so they are kept small: some bytes a record, and a bit a
// span where some are finished.
type shipment struct {
	tenant  string
	first   spool.Position
	steps   []byte // of each record: uvarints of the bytes from the one before, and of its spans
	last    int64  // offset of the last record
	records int
	spans   int
	bytes   int

	finished      bits // never to be sent again: discarded, damaged or to be set aside
	finishedSpans int
	entry         spool.StuckID // of a record that is stuck; then it has no positions

	sent time.Time // when it was sent for the first time

	// Since it was last to be sent, in one request or several:
	began   time.Time // the first request that Tempo took
	acked   time.Time // when it took the last one
	process string    // Target.Process
	taken   bits      // spans that need not be sent again, while others must
	refused int       // spans that Tempo refused while it took those beside them
	partial int       // spans that Tempo said it rejected

	charged map[string]int // of the finished spans, those that Tempo discarded
	damaged int            // of the finished spans, those that cannot be read any more
	stuck   []stuckSpan    // of the finished spans, those that are to be set aside, in their order

	failure   blame     // requests that Tempo did not take, and took others of its tenant
	refusal   blame     // requests that Tempo refused as a whole, likewise
	failures  int       // in a row
	limited   int       // answers 429
	doubtful  bool      // it goes beside the others of its tenant
	notBefore time.Time // is it sent again
	cost      int       // while it is parked
	outcome   chan bool // of a stuck record: is told whether Tempo took something
}

// stuckSpan is a span that Tempo does not take.
type stuckSpan struct {
	number int
	why    string
}

// fits says whether a record can join the shipment.
func (s *shipment) fits(e spool.Entry) bool {
	return s.records == 0 || (e.Tenant == s.tenant && e.Segment == s.first.Segment && e.Offset > s.last)
}

func (s *shipment) add(pos spool.Position, tenant string, spans, bytes int) {
	if s.records == 0 {
		s.first, s.tenant, s.last = pos, tenant, pos.Offset
	}
	s.steps = binary.AppendUvarint(s.steps, uint64(pos.Offset-s.last))
	s.steps = binary.AppendUvarint(s.steps, uint64(spans))
	s.last = pos.Offset
	s.records++
	s.spans += spans
	s.bytes += bytes
}

// join adds the records of a shipment that was not sent yet, up to so many bytes.
func (s *shipment) join(t *shipment, most int) bool {
	if !s.fits(spool.Entry{Position: t.first, Record: spool.Record{Tenant: t.tenant}}) || s.bytes+t.bytes > most {
		return false
	}
	_ = t.each(func(pos spool.Position, spans int) error { // fails only if visit does
		s.add(pos, t.tenant, spans, 0)
		return nil
	})
	s.bytes += t.bytes
	return true
}

// each calls visit for each record with its position and spans.
func (s *shipment) each(visit func(pos spool.Position, spans int) error) error {
	pos, steps := s.first, s.steps
	for range s.records {
		step, n := binary.Uvarint(steps)
		spans, m := binary.Uvarint(steps[n:])
		steps = steps[n+m:]
		pos.Offset += int64(step)
		if err := visit(pos, int(spans)); err != nil {
			return err
		}
	}
	return nil
}

// positions lists the records.
func (s *shipment) positions() []spool.Position {
	list := make([]spool.Position, 0, s.records)
	// fails only if visit does
	_ = s.each(func(pos spool.Position, _ int) error { list = append(list, pos); return nil })
	return list
}

// finish is done with a span, and says whether it was not before.
func (s *shipment) finish(i int) bool {
	if s.finished.has(i) {
		return false
	}
	s.finished.set(i, s.spans)
	s.finishedSpans++
	return true
}

// setAside is done with a span that Tempo does not take.
func (s *shipment) setAside(i int, why string) {
	if s.finish(i) {
		s.stuck = slices.Insert(s.stuck, s.stuckFrom(i), stuckSpan{i, why})
	}
}

// stuckFrom is the place of the first stuck span from a number on.
func (s *shipment) stuckFrom(i int) int {
	at, _ := slices.BinarySearchFunc(s.stuck, i, func(x stuckSpan, i int) int { return x.number - i })
	return at
}

// restart forgets what became of a shipment that is to be sent as a whole again.
func (s *shipment) restart() {
	s.began, s.process, s.taken = time.Time{}, "", nil
	s.refused, s.partial = 0, 0
}

// lose is done with spans that cannot be read any more. Which of them Tempo refused is not known.
func (s *shipment) lose(first, spans int) {
	for i := range spans {
		if s.finish(first + i) {
			s.damaged++
		}
	}
	s.refused, s.partial = 0, 0
}

// missing is how many spans are not finished.
func (s *shipment) missing() int { return s.spans - s.finishedSpans }

// wire scans the records, which went through the receiver's limits or earlier ones.
var wire = otlpwire.Limits{MaxDepth: 1 << 10, MaxSpans: 1 << 30, MaxAttributes: 1 << 30}

// read calls visit with each record that can be read and the number of its
// first span. The spans of a record that cannot be read any more are done with:
// the spool has counted it as lost, or released it.
func (s *shipment) read(log *spool.Spool, visit func(e spool.Entry, first int) error) error {
	if s.entry != "" {
		return s.readStuck(log, visit)
	}
	first := 0
	var buf []byte
	return s.each(func(pos spool.Position, spans int) error {
		e, err := log.ReadAt(pos, buf)
		switch {
		case errors.Is(err, spool.ErrDamaged) || errors.Is(err, spool.ErrGone):
			s.lose(first, spans)
		case err != nil:
			return err
		default:
			buf = e.Payload
			if err := visit(e, first); err != nil {
				return fmt.Errorf("scan record %s: %w", pos, err)
			}
		}
		first += spans
		return nil
	})
}
