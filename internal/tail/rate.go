package tail

import (
	"math"
	"time"
)

// rate holds what is kept to a number of spans per second, by a probability that
// it sets before each group of traces is decided. It knows how much that group
// offers, and makes up for what earlier ones kept too much of.
type rate struct {
	perSecond float64
	offered   float64 // spans, older ones counting less
	time      float64 // seconds in which they were, likewise
	debt      float64 // spans that may be kept besides; below 0: too many were
	last      time.Time
	used      uint64 // the round of groups in which it last was
}

const (
	offeredFor = 2.0  // seconds after which what was offered counts a third
	debtFor    = 10.0 // seconds in which a debt is made up for
	mostDebt   = 30.0 // seconds of the rate
	mostCredit = 3.0  // seconds of the rate: who was below it may not be far above it later
	firstTime  = 0.25 // seconds that the first group is taken to have come in
	longest    = 10 * time.Second
)

// probability is the share of a group to keep that came until a time and has so
// many spans.
func (r *rate) probability(until time.Time, spans float64) float64 {
	seconds := firstTime
	if !r.last.IsZero() {
		// Clocks jump.
		seconds = min(max(until.Sub(r.last), 0), longest).Seconds()
	}
	r.last = until
	fade := math.Exp(-seconds / offeredFor)
	r.offered = r.offered*fade + spans
	r.time = max(r.time*fade+seconds, firstTime)
	r.debt = min(r.debt+r.perSecond*seconds, r.perSecond*(mostCredit+seconds))
	// What is owed for these seconds is in the debt already.
	budget := r.perSecond + (r.debt-r.perSecond*seconds)/debtFor
	// Never none: what is kept has to stand for what is not.
	return min(1, max(budget, r.perSecond/10)*r.time/r.offered)
}

// kept enters how many spans of the group were kept.
func (r *rate) kept(spans float64) {
	r.debt = max(r.debt-spans, -r.perSecond*mostDebt)
}
