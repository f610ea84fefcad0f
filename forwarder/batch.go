package forwarder

import (
	"context"
	"errors"
	"time"

	"appliance/internal/otlpwire"
	"appliance/internal/spool"
)

var errSpoolClosed = spool.ErrClosed

// batch is a shipment with its payload.
type batch struct {
	*shipment
	payload []byte // requests one after the other, which merge to one
	spans   int    // in payload; those of the shipment that are not proven
}

// batcher makes batches of the records of a spool, in order.
type batcher struct {
	reader *spool.Reader
	size   int
	linger time.Duration
	free   chan []byte // buffers
	carry  *spool.Entry
}

func newBatcher(log *spool.Spool, size int, linger time.Duration) *batcher {
	return &batcher{reader: log.NewReader(), size: size, linger: linger, free: make(chan []byte, 4)}
}

func (r *batcher) close() { r.reader.Close() }

// give takes a batch's buffer back.
func (r *batcher) give(b *batch) {
	if cap(b.payload) > 2*r.size {
		return // of a large record; it would stay that large
	}
	select {
	case r.free <- b.payload[:0]:
	default:
	}
}

// next returns records that can share a request. It waits for the first, and for others until there are enough or the
// linger is over.
func (r *batcher) next(ctx context.Context) (*batch, error) {
	var buf []byte
	select {
	case buf = <-r.free:
	default:
		buf = make([]byte, 0, r.size)
	}
	b := &batch{shipment: &shipment{}, payload: buf}
	first, err := r.first(ctx, buf)
	if err != nil {
		return nil, err
	}
	b.add(first)
	over, cancel := context.WithTimeout(ctx, r.linger)
	defer cancel()
	for len(b.payload) < r.size {
		rest := b.payload[len(b.payload):]
		e, err := r.reader.Next(over, rest)
		if err != nil {
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			break // nothing more in time; an error of the filesystem shows again
		}
		inPlace := len(e.Payload) <= cap(rest)
		if !b.fits(e) || !inPlace {
			if inPlace {
				e.Payload = append([]byte(nil), e.Payload...) // buf goes with this batch
			}
			r.carry = &e
			break
		}
		b.add(e)
	}
	return b, nil
}

func (r *batcher) first(ctx context.Context, buf []byte) (spool.Entry, error) {
	if e := r.carry; e != nil {
		r.carry = nil
		return *e, nil
	}
	return r.reader.Next(ctx, buf)
}

// add appends an entry, whose payload may stand behind that of b already.
func (b *batch) add(e spool.Entry) {
	b.shipment.add(e.Position, e.Tenant, e.Spans, len(e.Payload))
	b.payload = append(b.payload, e.Payload...)
	b.spans += e.Spans
}

// rebuild reads a shipment from the spool again, without the spans that are proven.
func rebuild(log *spool.Spool, s *shipment) (*batch, error) {
	b := &batch{shipment: s, payload: make([]byte, 0, s.bytes)}
	_, err := s.read(log, nil, func(e spool.Entry, i int) error {
		end := i + e.Spans
		out, n, err := wire.Filter(nil, e.Payload, func(*otlpwire.Span) otlpwire.Verdict {
			keep := i >= end || !s.isProven(i)
			i++
			return otlpwire.Verdict{Keep: keep}
		})
		if err != nil {
			return err
		}
		if n.Kept > 0 {
			b.payload = append(b.payload, out...)
			b.spans += n.Kept
		}
		return nil
	})
	return b, err
}

// split makes two batches' payloads of one, each with half of the spans.
func (b *batch) split() (halves [2][]byte, spans [2]int, err error) {
	for h := range halves {
		i := 0
		out, n, err := wire.Filter(nil, b.payload, func(*otlpwire.Span) otlpwire.Verdict {
			i++
			return otlpwire.Verdict{Keep: (i <= b.spans/2) == (h == 0)}
		})
		if err != nil {
			return halves, spans, errors.Join(errors.New("scan a request that was kept"), err)
		}
		halves[h], spans[h] = out, n.Kept
	}
	return halves, spans, nil
}
