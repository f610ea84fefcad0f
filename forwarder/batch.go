package forwarder

import (
	"context"
	"errors"
	"fmt"
	"time"

	"appliance/internal/otlpwire"
	"appliance/internal/spool"
)

var errSpoolClosed = spool.ErrClosed

// batch is a shipment with its payload, or with a part of it.
type batch struct {
	*shipment
	payload []byte  // requests one after the other, which merge to one
	spans   int     // in payload
	from    int     // which of the shipment's is the first, where all between are in it
	which   []int32 // else each of them
	large   bool    // it is of a large record, and holds the right to be
}

// number says which span of the shipment is the one in place i.
func (b *batch) number(i int) int {
	if b.which != nil {
		return int(b.which[i])
	}
	return b.from + i
}

// batcher makes batches of the records of a spool, in order.
type batcher struct {
	reader *spool.Reader
	size   int
	linger time.Duration
	large  large
	free   chan []byte  // buffers
	carry  *spool.Entry // of another tenant or segment than those before it
}

func newBatcher(log *spool.Spool, size int, linger time.Duration, large large) *batcher {
	return &batcher{reader: log.Passed(), size: size, linger: linger, large: large, free: make(chan []byte, 4)}
}

func (r *batcher) close() { r.reader.Close() }

// give takes back a batch's buffer, or its right to be large.
func (r *batcher) give(b *batch) {
	if b.large {
		r.large.give()
		return
	}
	select {
	case r.free <- b.payload[:0]:
	default:
	}
}

// next returns records that can share a request, or a large one. It waits for
// the first, and for others until there are enough or the linger is over.
func (r *batcher) next(ctx context.Context) (*batch, error) {
	var buf []byte
	select {
	case buf = <-r.free:
	default:
		buf = make([]byte, 0, r.size)
	}
	b := &batch{shipment: &shipment{}, payload: buf}
	first, err := r.first(ctx, buf)
	if errors.Is(err, spool.ErrOverLimit) {
		return r.nextLarge(ctx)
	}
	if err != nil {
		return nil, err
	}
	b.add(first)
	over, cancel := context.WithTimeout(ctx, r.linger)
	defer cancel()
	for len(b.payload) < r.size {
		rest := b.payload[len(b.payload):]
		e, err := r.reader.NextUpTo(over, rest, cap(rest))
		if err != nil {
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			break // no room, or nothing more in time; an error of the filesystem shows again
		}
		if !b.fits(e) {
			e.Payload = append([]byte(nil), e.Payload...) // buf goes with this batch
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
	return r.reader.NextUpTo(ctx, buf, r.size)
}

// nextLarge returns the next record once no other large one is in memory.
func (r *batcher) nextLarge(ctx context.Context) (*batch, error) {
	if err := r.large.take(ctx); err != nil {
		return nil, err
	}
	now, cancel := context.WithCancel(ctx)
	cancel() // the record is there; if it is damaged, others shall not wait for what comes after it
	e, err := r.reader.Next(now, nil)
	if err != nil {
		r.large.give()
		if errors.Is(err, context.Canceled) && ctx.Err() == nil {
			return r.next(ctx)
		}
		return nil, err
	}
	b := &batch{shipment: &shipment{}, payload: e.Payload, spans: e.Spans, large: true}
	b.shipment.add(e.Position, e.Tenant, e.Spans, len(e.Payload))
	return b, nil
}

// add appends an entry, whose payload may stand behind that of b already.
func (b *batch) add(e spool.Entry) {
	b.shipment.add(e.Position, e.Tenant, e.Spans, len(e.Payload))
	b.payload = append(b.payload, e.Payload...)
	b.spans += e.Spans
}

// rebuild reads a shipment from the spool again, without the spans that are
// done. Meanwhile a large record is in memory twice.
func rebuild(log *spool.Spool, s *shipment) (*batch, error) {
	b := &batch{shipment: s, payload: make([]byte, 0, s.bytes)}
	err := s.read(log, func(e spool.Entry, i int) error {
		end := i + e.Spans
		out, n, err := wire.Filter(b.payload, e.Payload, func(*otlpwire.Span) otlpwire.Verdict {
			keep := i < end && !s.finished.has(i) && !s.taken.has(i)
			if keep {
				b.which = append(b.which, int32(i))
			}
			i++
			return otlpwire.Verdict{Keep: keep}
		})
		if err != nil {
			return err
		}
		switch {
		case n.Kept == 0:
			return nil
		case n.Unchanged: // out is the buffer that the next record is read to
			b.payload = append(b.payload, out...)
		default:
			b.payload = out
		}
		b.spans += n.Kept
		return nil
	})
	return b, err
}

// half makes a batch of the first or the second half of the spans.
func (b *batch) half(second bool) (*batch, error) {
	return b.part(func(i int) bool { return (i >= b.spans/2) == second })
}

// without makes a batch without some of the spans, by their places.
func (b *batch) without(some bits) (*batch, error) {
	return b.part(func(i int) bool { return !some.has(i) })
}

// part makes a batch of some of the spans, by their places.
func (b *batch) part(in func(place int) bool) (*batch, error) {
	p := &batch{shipment: b.shipment}
	i := 0
	out, n, err := wire.Filter(nil, b.payload, func(*otlpwire.Span) otlpwire.Verdict {
		keep := in(i)
		if keep {
			p.which = append(p.which, int32(b.number(i)))
		}
		i++
		return otlpwire.Verdict{Keep: keep}
	})
	if err != nil {
		return nil, fmt.Errorf("scan a request that was kept: %w", err)
	}
	p.payload, p.spans = out, n.Kept
	return p, nil
}

// Bounds of a request, so that it takes Tempo a bounded time and memory.
const (
	requestBytes      = 4 << 20
	requestSpans      = 10_000
	requestAttributes = 200_000

	smallBytes = 256 << 10 // hold no more spans, of 30 bytes, and attributes, of 2
)

var requestLimits = otlpwire.Limits{MaxDepth: wire.MaxDepth, MaxSpans: requestSpans, MaxAttributes: requestAttributes}

func nothing(*otlpwire.Span) {}

// tooMuch says that a batch is to be sent in parts.
func (b *batch) tooMuch() (bool, error) {
	if b.spans < 2 || len(b.payload) <= smallBytes {
		return false, nil
	}
	if len(b.payload) > requestBytes {
		return true, nil
	}
	_, err := requestLimits.Walk(b.payload, nothing)
	if errors.Is(err, otlpwire.ErrTooMany) {
		return true, nil
	}
	return false, err
}
