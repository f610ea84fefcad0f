package sampler

import (
	"fmt"
	"math"
)

const (
	randomBits  = 56
	randomBound = 1 << randomBits // randomness and thresholds of probabilities are below
	hexDigits   = randomBits / 4  // that write them
)

// Threshold is a rejection threshold in [0, 2^56]: of 2^56 equally likely
// randomness values, the number that is rejected. A span is kept if its
// [Randomness] is at least the threshold.
type Threshold uint64

// The two ends. Never is no probability sampling in the sense of the
// specification and has no th.
const (
	Always Threshold = 0
	Never  Threshold = randomBound
)

// Probability is the share of spans that the threshold keeps, in [0, 1].
func (t Threshold) Probability() float64 {
	return float64(randomBound-t) / randomBound
}

// AdjustedCount is how many spans one kept span stands for; 0 for Never.
func (t Threshold) AdjustedCount() float64 {
	if t >= Never {
		return 0
	}
	return 1 / t.Probability()
}

// AppendTH appends the threshold as th writes it: hex digits without the
// trailing zeros, but at least one. Never appends nothing.
func (t Threshold) AppendTH(dst []byte) []byte {
	if t >= Never {
		return dst
	}
	const digits = "0123456789abcdef"
	for shift := 4 * (hexDigits - 1); ; shift -= 4 {
		dst = append(dst, digits[t>>shift&15])
		if t&(1<<shift-1) == 0 {
			return dst
		}
	}
}

// String is th, or "never".
func (t Threshold) String() string {
	if t >= Never {
		return "never"
	}
	return string(t.AppendTH(nil))
}

// parseTH reads 1 to 14 hex digits, of either case, which stand for the leading
// digits of the threshold.
func parseTH(th []byte) (Threshold, bool) {
	if len(th) == 0 || len(th) > hexDigits {
		return 0, false
	}
	v, ok := parseHex(th)
	return Threshold(v << (4 * (hexDigits - len(th)))), ok
}

// minProbability is the smallest probability that a threshold can express.
const minProbability = 1.0 / randomBound

// ThresholdOf is the threshold that keeps probability p, at precision hex digits
// (1 to 14). Leading f digits, and for p near 1 leading 0 digits, do not count as
// precision, so that the relative error stays the same for small p. The
// rounding is that of the Collector's pkg/sampling. p of 0 is Never.
func ThresholdOf(p float64, precision int) (Threshold, error) {
	switch {
	case p == 0:
		return Never, nil
	case p == 1:
		return Always, nil
	case !(p >= minProbability && p < 1):
		return Never, fmt.Errorf("probability %v is neither 0 nor between 2^-56 and 1", p)
	}
	return thresholdOf(p, precision), nil
}

// thresholdOf is ThresholdOf for p in [minProbability, 1).
func thresholdOf(p float64, precision int) Threshold {
	_, small := math.Frexp(p)     // p < 2^small, small <= 0
	_, large := math.Frexp(1 - p) // the same for the rejected share
	precision = min(hexDigits, precision+max(-small/4, -large/4))

	t := randomBound - uint64(math.Round(p*randomBound))
	if drop := 4 * (hexDigits - precision); drop > 0 {
		t = (t + 1<<(drop-1)) >> drop << drop
	}
	return Threshold(t)
}

// parseHex reads up to 16 hex digits of either case.
func parseHex(s []byte) (uint64, bool) {
	var v uint64
	for _, c := range s {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		v = v<<4 | uint64(c)
	}
	return v, true
}
