package sampler

import "fmt"

// Mode says how a configured probability becomes a threshold. The names are the
// Collector's.
type Mode string

const (
	// Equalizing brings every span to the configured probability: the threshold is the
	// higher of the one that came and the configured one.
	Equalizing Mode = "equalizing"
	// Proportional multiplies: of what comes, the configured share is kept.
	Proportional Mode = "proportional"
	// HashSeed decides on a hash of the trace id, as Collectors in their mode
	// hash_seed with the same seed do. A span that came with rv or th has
	// randomness to go by and is equalized instead. No th is written for a choice by
	// hash: nobody could check it against the trace id, so that a later stage
	// would erase it, and the Collector by default drop the span.
	HashSeed Mode = "hash_seed"
)

// Rate is a probability made ready for [Decide].
type Rate struct {
	mode        Mode
	probability float64
	threshold   Threshold
	precision   int
	seed        uint32
}

// NewRate makes a rate. precision is in hex digits, 1 to 14; seed is for HashSeed.
func NewRate(mode Mode, probability float64, precision int, seed uint32) (Rate, error) {
	r := Rate{mode: mode, probability: probability, precision: precision, seed: seed}
	if precision < 1 || precision > hexDigits {
		return Rate{}, fmt.Errorf("precision %d is not between 1 and 14", precision)
	}
	var err error
	if r.threshold, err = ThresholdOf(probability, precision); err != nil {
		return Rate{}, err
	}
	switch mode {
	case Equalizing, Proportional:
	case HashSeed:
		var ok bool
		if r.threshold, ok = hashThreshold(probability); !ok && probability != 0 {
			return Rate{}, fmt.Errorf("probability %v is below 1/16384, the least that hash_seed can tell from 0; use equalizing", probability)
		}
	default:
		return Rate{}, fmt.Errorf("mode %q is none of equalizing, proportional, hash_seed", mode)
	}
	return r, nil
}
