package sampler

import "appliance/internal/otlpwire"

// Decision is what happens to one span, and why.
type Decision struct {
	Randomness Randomness
	Threshold  Threshold // kept if Randomness is at least this
	Source     Source    // of Randomness
	Reason     Reason
	Keep       bool

	// the th that came would have rejected the span: it is erased, as if it had not come
	Inconsistent bool

	edit  edit
	state traceState
}

// Incoming is the th that came, if one did.
func (d *Decision) Incoming() (th Threshold, ok bool) { return d.state.th, d.hasIncoming() }

// Unreadable is why the tracestate that came cannot be read; empty where it can.
func (d *Decision) Unreadable() string { return d.state.problem.String() }

func (d *Decision) readable() bool { return d.state.problem == readable }

func (d *Decision) hasIncoming() bool { return d.state.hasTH && d.readable() }

// edit is what a kept span's tracestate needs.
type edit uint8

const (
	leave edit = iota
	setTH
	eraseTH
)

// Decide says what happens to a span at a rate. It is pure: nothing but its
// arguments matters, and of the span only TraceID, TraceState and sampling.priority.
// raised is a threshold below which nothing passes, whatever the rate; Always
// where there is no such.
func Decide(rate *Rate, raised Threshold, sp *otlpwire.Span) (d Decision) {
	if len(sp.TraceState) > 0 {
		d.state = scanTraceState(sp.TraceState)
	}
	d.readIncoming(rate, sp.TraceID)

	if sp.HasPriority && sp.Priority == 0 {
		d.Threshold, d.Reason = Never, DroppedPriority
		return d
	}
	if sp.HasPriority && sp.Priority > 0 {
		d.Threshold, d.Reason = d.usableTH(), KeptPriority
		d.keep(sp.TraceState, true)
		return d
	}
	if rate.probability == 0 {
		d.Threshold, d.Reason = Never, DroppedZero
		return d
	}
	configured := max(d.applied(rate), d.usableTH())
	d.Threshold = max(configured, raised)
	switch {
	case d.Randomness >= Randomness(d.Threshold):
		d.Reason = Kept
		// A choice by hash leaves no th, and a sampler at 100 % says nothing
		// where nothing was said.
		d.keep(sp.TraceState, d.Source != FromHash && d.Threshold != Always)
	case d.Randomness < Randomness(configured):
		d.Reason = DroppedProbability
	default:
		d.Reason = DroppedTarget
	}
	return d
}

// readIncoming finds the randomness, and the threshold that came if it can be true.
func (d *Decision) readIncoming(rate *Rate, traceID []byte) {
	if d.state.rvFrom > 0 && d.readable() {
		d.Randomness, d.Source = d.state.rv, FromRV
	} else {
		d.Randomness, d.Source = traceIDRandomness(traceID), FromTraceID
	}
	d.Inconsistent = d.hasIncoming() && d.Randomness < Randomness(d.state.th)
	if rate.mode == HashSeed && d.Source == FromTraceID && (!d.hasIncoming() || d.Inconsistent) {
		d.Randomness, d.Source = hashRandomness(traceID, rate.seed), FromHash
	}
}

// usableTH is the threshold that came. None, or one that cannot be true, counts as
// if everything had been kept so far.
func (d *Decision) usableTH() Threshold {
	if d.hasIncoming() && !d.Inconsistent {
		return d.state.th
	}
	return Always
}

// applied is the threshold that the rate asks for.
func (d *Decision) applied(rate *Rate) Threshold {
	if in := d.usableTH(); in != Always && rate.mode == Proportional && rate.probability != 1 {
		p := rate.probability * in.Probability()
		if p < minProbability {
			return Never
		}
		return thresholdOf(p, rate.precision)
	}
	return rate.threshold
}

// keep settles what becomes of the tracestate; say: it must tell the threshold.
func (d *Decision) keep(ts []byte, say bool) {
	d.Keep = true
	usable := d.hasIncoming() && !d.Inconsistent
	switch {
	case !d.readable():
		if d.Threshold != Always {
			d.Reason = d.Reason.unmarked()
		}
	case say && usable && d.state.th == d.Threshold:
	case say && d.state.fits(ts, d.Threshold):
		d.edit = setTH
	case say: // no room: better no count than a wrong one
		d.Reason = d.Reason.unmarked()
		if d.hasIncoming() {
			d.edit = eraseTH
		}
	case d.Inconsistent:
		d.edit = eraseTH
	}
}

// Rewrites says whether a kept span leaves with another tracestate.
func (d *Decision) Rewrites() bool { return d.edit != leave }

// AppendTraceState appends the tracestate with which a kept span leaves; ts is the
// one that was decided on. Where nothing in it changes it stays as it came, byte for byte.
func (d *Decision) AppendTraceState(dst, ts []byte) []byte {
	switch d.edit {
	case setTH:
		return d.state.appendTo(dst, ts, d.Threshold)
	case eraseTH:
		return d.state.appendTo(dst, ts, Never)
	}
	return append(dst, ts...)
}
