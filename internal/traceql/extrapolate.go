package traceql

import (
	"strconv"
	"strings"
)

// weights returns for how many spans a span stands: it was kept with the
// probability that th in its tracestate tells. A span without th stands for
// itself.
func (e *evaluation) weights() func(span int) float64 {
	known := map[string]float64{}
	return func(span int) float64 {
		var room [1]Value
		values := e.reader.values(intrinsic(IntrinsicTraceState), span, room[:0])
		if len(values) == 0 {
			return 1
		}
		w, ok := known[values[0].Str]
		if !ok {
			w = adjustedCount(values[0].Str)
			known[values[0].Str] = w
		}
		return w
	}
}

// adjustedCount is 2^56 / (2^56 - T), with the threshold T of OpenTelemetry's
// tracestate: 1 to 14 hexadecimal digits, from the left.
func adjustedCount(state string) float64 {
	for member := range strings.SplitSeq(state, ",") {
		value, ok := strings.CutPrefix(strings.TrimSpace(member), "ot=")
		if !ok {
			continue
		}
		for part := range strings.SplitSeq(value, ";") {
			digits, ok := strings.CutPrefix(part, "th:")
			if !ok || len(digits) == 0 || len(digits) > 14 {
				continue
			}
			t, err := strconv.ParseUint(digits+strings.Repeat("0", 14-len(digits)), 16, 64)
			if err == nil {
				return float64(uint64(1)<<56) / float64(uint64(1)<<56-t)
			}
		}
	}
	return 1
}
