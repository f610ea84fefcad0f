package forwarder

import (
	"cmp"
	"context"
	"errors"
	"math/rand/v2"
	"time"
)

const (
	refusedPause = time.Minute // before what Tempo refused as a whole is sent again
	// attempts answered 429, after which a shipment may be above Tempo's burst
	// and never be taken as a whole
	limitedTries = 4
	limitedAlone = 16 // and after which a span may be
)

// deliver makes one attempt to bring a batch to Tempo, and hands it to the
// proof, or back to be sent again.
func (f *Forwarder) deliver(ctx context.Context, b *batch) {
	d := &delivery{
		f: f, shipment: b.shipment, whole: b.spans,
		suspect: b.failure.sure() || b.limited >= limitedTries || b.entry != "",
	}
	if b.sent.IsZero() {
		b.sent = time.Now()
	}
	f.said.begin(b.tenant)
	err := d.send(ctx, b)
	if ctx.Err() != nil {
		return
	}
	if d.limited && d.taken == 0 {
		b.limited++
	}
	d.conclude(err)
}

// delivery is one attempt to bring a shipment to Tempo, in as many requests as
// it takes.
type delivery struct {
	f        *Forwarder
	shipment *shipment
	whole    int  // spans that are to be sent
	suspect  bool // what Tempo does not take is halved, as what it refuses is

	posted  int
	taken   int           // requests
	not     int           // requests that were not taken, while none was
	limited bool          // an answer was 429
	row     int           // requests that were neither taken nor refused, one after the other
	alone   []stuckSpan   // that failed alone
	aloneAt int64         // requests of the tenant that Tempo had taken when the first of them did
	wait    time.Duration // for spans that are to be kept apart from others
}

// conclude says what is to become of the shipment.
func (d *delivery) conclude(err error) {
	f, s := d.f, d.shipment
	var refused *refusedError
	switch {
	case len(d.alone) > 0:
		d.doubt(err)
	case errors.As(err, &refused):
		d.refusedAll(err, false)
	case err != nil:
		f.failed(s, err)
	case d.wait > 0:
		f.later(s, d.wait)
	case s.began.IsZero() && s.refused > 0:
		d.refusedAll(&refusedError{reason: "each of its spans"}, true)
	default:
		f.acknowledged(s)
	}
}

// doubt sets spans aside that failed alone, if Tempo took others since, or
// before that and after each failure of the whole. err says why there are some
// more that are still to be sent.
func (d *delivery) doubt(err error) {
	f, s := d.f, d.shipment
	taken := f.lanes.taken(s.tenant)
	s.failure.add(taken)
	sure := taken > d.aloneAt || s.failure.times > blameAfter
	if s.entry != "" {
		sure = d.taken > 0 // the others leave; these stay where they are
	}
	if !sure {
		f.failed(s, cmp.Or(err, errors.New(d.alone[0].why)))
		return
	}
	for _, span := range d.alone {
		s.setAside(span.number, span.why)
	}
	if s.entry == "" {
		f.log.Error("tempo does not take spans while it takes others; they are set aside and tried again from time to time",
			"spans", len(d.alone), "tenant", s.tenant, "err", d.alone[0].why, "hint", "appliance spool stuck list")
	}
	switch {
	case err != nil:
		f.failed(s, err)
	case d.wait > 0:
		f.later(s, d.wait)
	default:
		f.acknowledged(s)
	}
}

// refusedAll is for a shipment of which Tempo refuses everything. That is not
// the spans' fault, unless it takes others of their tenant and each of these
// was refused by itself.
func (d *delivery) refusedAll(err error, each bool) {
	f, s := d.f, d.shipment
	s.refusal.add(f.lanes.taken(s.tenant))
	if s.refusal.sure() && each {
		f.acknowledged(s)
		return
	}
	f.stats.trouble(err)
	f.log.Error("tempo refuses spans; they stay in the spool and are sent again", "spans", d.whole, "tenant", s.tenant, "err", err)
	f.stats.resent(resentRefused, d.whole)
	s.restart()
	f.later(s, f.pause)
}

// failed is for a shipment that Tempo did not take.
func (f *Forwarder) failed(s *shipment, err error) {
	s.failure.add(f.lanes.taken(s.tenant))
	pause := min(backoffMin<<min(s.failures, 10), backoffMax)
	s.failures++
	f.log.Warn("tempo does not take spans; they are sent again", "spans", s.spans, "tenant", s.tenant, "err", err)
	f.later(s, pause/2+rand.N(pause))
}

// later has a shipment sent again after a pause.
func (f *Forwarder) later(s *shipment, pause time.Duration) {
	if s.entry != "" {
		f.retries.end(s, false)
		return
	}
	f.lanes.doubt(s, pause)
}
