package receiver

import "context"

// measure begins to count the spans that are sampled next.
func (j *job) measure(tenant string) {
	if j.r.cfg.Meter != nil {
		j.tally = j.r.cfg.Meter.Tally(tenant)
	}
}

// chargeTally has the budget pay for what was gathered, where that is more than a
// request of usual names needs.
func (j *job) chargeTally(ctx context.Context) error {
	if j.tally == nil {
		return nil
	}
	if n := j.tally.Bytes(); n > usualTally {
		return j.loan.reserve(ctx, n, true)
	}
	return nil
}

// usualTally is what those of some 100 operations and 1,000 calls have, and what
// is kept of a larger one for the next request.
const usualTally = 256 << 10

// measured ends what measure began: what was gathered is counted if the request
// is answered 200. After a panic it is not called, since nobody knows what state
// the tally is in.
func (j *job) measured(answered bool) {
	switch {
	case j.tally == nil:
		return
	case answered:
		j.tally.Commit()
	default:
		j.tally.Discard()
	}
	j.tally = nil
}
