package forwarder

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"
)

const (
	blameAfter   = 3           // refusals of a single span, with others taken in between
	refusedPause = time.Minute // before what Tempo refused as a whole is sent again
	limitedTries = 4           // answers 429 to one request, which may be above Tempo's burst and never be taken as a whole
	refusedTries = 32          // requests of which not one was taken; halving finds one bad span among 2^16 with fewer
)

// deliver sends a batch until Tempo has taken it, and hands it to the proof; or gives up since ctx is done or Tempo
// refuses all of it, in which case it is sent again later.
func (f *Forwarder) deliver(ctx context.Context, b *batch) {
	probe := b.overdue > 0 && f.o.Discards != nil
	if probe {
		f.alone.Lock()
		defer f.alone.Unlock()
	}
	if b.sent.IsZero() {
		b.sent = time.Now()
	}
	if err := f.said.begin(ctx, b.tenant); err != nil {
		f.stats.trouble(err) // what it discards is not known then
	}
	b.refused, b.partial, b.discards = 0, 0, nil
	d := delivery{f: f, probe: probe, shipment: b.shipment}
	err := d.send(ctx, b)
	if ctx.Err() != nil {
		return
	}
	if d.taken == 0 && f.isToBlame(b) {
		b.refused, b.acked = 1, time.Now()
		f.acknowledged(b.shipment)
		return
	}
	if d.taken == 0 {
		f.stats.trouble(err)
		f.log.Error("tempo refuses spans; they stay in the spool and are sent again", "spans", b.spans, "tenant", b.tenant, "err", err)
		f.stats.resent(resentRefused, b.spans)
		f.again(b.shipment, f.pause)
		return
	}
	b.refused = d.refusedSpans
	f.stats.took(b.spans-b.refused, len(b.payload))
	f.acknowledged(b.shipment)
}

// isToBlame says that what was refused is a single span, again and again, while Tempo took others.
func (f *Forwarder) isToBlame(b *batch) bool {
	if b.spans > 1 || b.missing() > 1 {
		return false
	}
	taken := f.stats.spans.Load()
	if b.refusals++; b.refusals == 1 || taken == b.takenBefore {
		b.takenBefore = taken
		return false
	}
	return b.refusals >= blameAfter
}

// discards asks Tempo what it has discarded; false where it does not say.
func (f *Forwarder) discards(ctx context.Context, b *batch) (map[string]int64, bool) {
	n, err := f.o.Discards(ctx, b.tenant)
	if err != nil {
		f.o.Logger.Debug("tempo does not say what it discards", "err", err)
	}
	return n, err == nil
}

// delivery is the requests that one shipment takes.
type delivery struct {
	f            *Forwarder
	shipment     *shipment
	probe        bool
	taken        int // requests
	refused      int // requests
	refusedSpans int // of which each was refused alone
}

// send sends a batch, in halves where Tempo refuses the whole. The error says why a request was refused.
func (d *delivery) send(ctx context.Context, b *batch) error {
	err := d.post(ctx, b)
	var refused *refusedError
	if !errors.As(err, &refused) {
		return err
	}
	d.refused++
	switch {
	case d.taken == 0 && d.refused >= refusedTries:
		return err
	case b.spans == 1:
		d.refusedSpans++
		d.f.o.Logger.Debug("tempo refuses a span", "tenant", b.tenant, "err", err)
		return err
	}
	first := rand.IntN(2) == 1 // where most spans are bad, another try finds other ones
	for _, second := range [2]bool{first, !first} {
		if d.taken == 0 && d.refused >= refusedTries {
			continue
		}
		half, halfErr := b.half(second) // one at a time: b may be large
		if halfErr != nil {
			return halfErr
		}
		if half.spans == 0 {
			continue
		}
		if halfErr := d.send(ctx, half); halfErr != nil {
			err = halfErr
		}
	}
	return err
}

// post sends one request until Tempo takes or refuses it.
func (d *delivery) post(ctx context.Context, b *batch) error {
	f := d.f
	for limited := 0; ; {
		if err := f.pace.ready(ctx, len(b.payload)); err != nil {
			return err
		}
		target, err := f.o.Target()
		if err != nil {
			f.stats.trouble(err)
			f.pace.away()
			continue
		}
		var before map[string]int64 // just before: Tempo counts those of a request that it answers with 429 too
		asked := false
		if d.probe {
			before, asked = f.discards(ctx, b)
		}
		began := time.Now()
		err = d.once(ctx, target, b)
		var unavailable *unavailableError
		var partial *partialError
		switch {
		case errors.As(err, &partial):
			d.shipment.partial += partial.spans
			f.log.Warn("tempo rejects spans", "spans", partial.spans, "tenant", b.tenant, "reason", partial.reason)
			fallthrough
		case err == nil:
			d.took(target, began)
			if asked {
				after, _ := f.discards(ctx, b)
				d.shipment.addDiscards(before, after)
			}
			return nil
		case !errors.As(err, &unavailable):
			return err // refused
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		f.stats.failed(err)
		f.pace.failed(unavailable.retryAfter)
		if unavailable.limited {
			if limited++; limited >= limitedTries && b.spans > 1 {
				return &refusedError{reason: err.Error()} // so that it is halved
			}
		}
		if unavailable.lost {
			f.mu.Lock()
			f.broke = time.Now()
			f.mu.Unlock()
		}
	}
}

// mixedProcess is no process: two took parts of a shipment, and the first of them has ended.
const mixedProcess = "mixed"

// took enters a request that was taken.
func (d *delivery) took(target Target, began time.Time) {
	s := d.shipment
	s.acked = time.Now()
	switch d.taken++; {
	case d.taken == 1:
		s.began, s.process = began, target.Process
	case s.process != target.Process:
		s.process = mixedProcess
	}
}

func (d *delivery) once(ctx context.Context, target Target, b *batch) error {
	f := d.f
	if !d.probe {
		f.alone.RLock()
		defer f.alone.RUnlock()
	}
	f.stats.inFlight.Add(1)
	defer f.stats.inFlight.Add(-1)
	began := time.Now()
	err := f.client.post(ctx, target.URL, b.tenant, b.payload)
	f.stats.requests.Add(1)
	var unavailable *unavailableError
	if !errors.As(err, &unavailable) {
		f.pace.took(time.Since(began))
	}
	return err
}
