package sampler

import "appliance/internal/otlpwire"

// Thin decides on a span by a threshold alone: a later stage of sampling, whose
// verdict is on the whole trace. It keeps the span if its randomness is at least
// the threshold, and a kept one then says the stricter of this threshold and the
// one that came, as the specification has it for stages that follow each other.
// The tracestate in the verdict is in buf.
func Thin(t Threshold, sp *otlpwire.Span, buf []byte) (otlpwire.Verdict, []byte) {
	all := Rate{mode: Equalizing, probability: 1, threshold: Always}
	d := Decide(&all, t, sp)
	v := otlpwire.Verdict{Keep: d.Keep}
	if d.Rewrites() {
		buf = d.AppendTraceState(buf[:0], sp.TraceState)
		v.Rewrite, v.TraceState = true, buf
	}
	return v, buf
}
