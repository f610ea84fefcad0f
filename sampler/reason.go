package sampler

// Reason says why a span was kept or dropped.
type Reason uint8

// Reasons. Every span has exactly one.
const (
	Kept         Reason = iota // its randomness reached the threshold
	KeptPriority               // sampling.priority above 0
	// kept by its randomness, but its tracestate is unreadable or full: th is not in it
	KeptUnmarked
	DroppedProbability // below the configured probability
	DroppedTarget      // above it, but below what target_spans_per_second leaves
	DroppedPriority    // sampling.priority 0
	DroppedZero        // the configured probability is 0

	numReasons
)

// String is the value of the metric label reason, such as "target".
func (r Reason) String() string {
	switch r {
	case Kept, DroppedProbability:
		return "probability"
	case KeptPriority, DroppedPriority:
		return "priority"
	case KeptUnmarked:
		return "unmarked"
	case DroppedTarget:
		return "target"
	case DroppedZero:
		return "zero"
	}
	return "unknown"
}

// Keeps says whether the reason is one for keeping.
func (r Reason) Keeps() bool { return r <= KeptUnmarked }

func (r Reason) unmarked() Reason {
	if r == Kept {
		return KeptUnmarked
	}
	return r
}

// Reasons lists every reason, for those who count by them.
func Reasons() []Reason {
	all := make([]Reason, numReasons)
	for r := range all {
		all[r] = Reason(r)
	}
	return all
}
