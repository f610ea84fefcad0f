package forwarder

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"
)

// fruitless requests, of which not one was taken, are enough: halving finds one
// bad span among 2^16 with fewer.
const fruitless = 32

// send sends a batch, in halves where Tempo refuses the whole. The error says
// why a request was not taken.
func (d *delivery) send(ctx context.Context, b *batch) error {
	if much, err := b.tooMuch(); much || err != nil {
		if err != nil {
			return err
		}
		return d.halves(ctx, b)
	}
	err := d.post(ctx, b)
	var refused *refusedError
	var away *unavailableError
	isRefused := errors.As(err, &refused)
	if d.row++; err == nil || isRefused {
		d.row = 0
	}
	switch {
	case err == nil, ctx.Err() != nil, !isRefused && !d.suspect:
		return err
	case b.spans == 1 && errors.As(err, &away) && away.limited && d.shipment.limited < limitedAlone:
		return err // its turn has not come
	case b.spans > 1:
		if d.endless() {
			return err
		}
		return d.halves(ctx, b)
	case isRefused:
		d.shipment.refused++
		d.done(b)
		d.f.o.Logger.Debug("tempo refuses a span", "tenant", b.tenant, "err", err)
	default:
		if len(d.alone) == 0 {
			d.aloneAt = d.f.lanes.taken(b.tenant)
		}
		d.alone = append(d.alone, stuckSpan{b.number(0), err.Error()})
	}
	if d.endless() {
		return err
	}
	return nil
}

// endless says that so much was refused, and nothing taken, that it is not due
// to single spans; or that Tempo has gone.
func (d *delivery) endless() bool {
	d.not++
	return d.taken == 0 && d.not >= fruitless && !d.shipment.refusal.sure() || d.row >= fruitless
}

func (d *delivery) halves(ctx context.Context, b *batch) error {
	first := rand.IntN(2) == 1 // where most spans are bad, another try finds other ones
	for _, second := range [2]bool{first, !first} {
		half, err := b.half(second) // one at a time: b may be large
		if err == nil && half.spans > 0 {
			err = d.send(ctx, half)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// done marks the spans of a batch that need not be sent again.
func (d *delivery) done(b *batch) {
	if b.spans == d.whole {
		return // nor needs anything else of the shipment
	}
	for i := range b.spans {
		d.shipment.taken.set(b.number(i), d.shipment.spans)
	}
}

// post sends one request. Of spans that are to be kept apart from others it
// says nothing but how long they wait.
func (d *delivery) post(ctx context.Context, b *batch) error {
	f := d.f
	target, err := d.target(ctx, b)
	if err != nil {
		return err
	}
	b, wait, err := f.apart.admit(b)
	if err != nil {
		return err
	}
	if d.wait = max(d.wait, wait); b.spans == 0 {
		return nil
	}
	began := time.Now()
	err = d.once(ctx, target, b)
	var partial *partialError
	if errors.As(err, &partial) {
		d.shipment.partial += min(partial.spans, b.spans) // it speaks of this request alone
		f.log.Warn("tempo rejects spans", "spans", partial.spans, "tenant", b.tenant, "reason", partial.reason)
		err = nil
	}
	if err != nil {
		return err
	}
	d.took(target, began, b)
	return f.apart.took(b, time.Since(began))
}

// target waits until a request may go, and returns where to.
func (d *delivery) target(ctx context.Context, b *batch) (Target, error) {
	f := d.f
	if d.posted++; d.posted > 1 { // the first had to wait for its turn already
		if err := f.lanes.ready(ctx, b.tenant); err != nil {
			return Target{}, err
		}
	}
	for {
		target, _, err := f.target()
		if err == nil {
			return target, nil
		}
		f.stats.trouble(err)
		if err := sleep(ctx, backoffMin, nil); err != nil { // that costs nothing to ask again soon
			return Target{}, err
		}
	}
}

// mixedProcess is no process: two took parts of a shipment, and the first of
// them has ended.
const mixedProcess = "mixed"

// took enters a request that was taken.
func (d *delivery) took(target Target, began time.Time, b *batch) {
	s := d.shipment
	d.taken++
	s.acked = time.Now()
	switch {
	case s.began.IsZero():
		s.began, s.process = began, target.Process
	case s.process != target.Process:
		s.process = mixedProcess
	}
	d.done(b)
	d.f.stats.took(b.spans, len(b.payload))
}

// once posts a request, and enters in the lane what became of it.
func (d *delivery) once(ctx context.Context, target Target, b *batch) error {
	f, s := d.f, d.shipment
	f.stats.inFlight.Add(1)
	defer f.stats.inFlight.Add(-1)
	began := time.Now()
	err := f.client.post(ctx, target.URL, b.tenant, b.payload)
	f.stats.requests.Add(1)
	var away *unavailableError
	var refused *refusedError
	switch {
	case ctx.Err() != nil && err != nil:
	case errors.As(err, &away):
		d.limited = d.limited || away.limited
		if away.lost {
			f.mu.Lock()
			f.broke = time.Now()
			f.mu.Unlock()
		}
		f.stats.failed(err)
		f.lanes.with(b.tenant, func(l *lane) {
			// others are taken
			own := s.failure.times > 0 && l.taken > s.failure.taken || s.entry != "" && l.failing.IsZero()
			if !own || away.limited {
				l.failed(away.retryAfter, err.Error())
			}
		})
	case errors.As(err, &refused):
		f.lanes.with(b.tenant, func(l *lane) { l.answered(time.Since(began)) })
	default:
		f.lanes.with(b.tenant, func(l *lane) { l.took(time.Since(began)) })
	}
	return err
}
