package sampler

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"appliance/internal/otlpwire"
)

// Question is about a span of a trace.
type Question struct {
	// 1 to 32 hex digits; leading zeros may be missing, as in Tempo's search results
	TraceID    string
	TraceState string
	Service    string   // service.name
	Priority   *float64 // span attribute sampling.priority
}

// Explanation is a [Decision] in words, and its place in the configuration. Its
// JSON form is stable.
type Explanation struct {
	TraceID    string `json:"trace_id"`
	Service    string `json:"service,omitempty"`
	Randomness string `json:"randomness"` // 14 hex digits
	// "last 7 bytes of the trace id", "rv of the tracestate" or "hash of the trace id"
	RandomnessSource string  `json:"randomness_source"`
	IncomingTH       *string `json:"incoming_threshold"`
	Mode             Mode    `json:"mode"`
	Probability      float64 `json:"probability"`
	ProbabilityKey   string  `json:"probability_key"` // where it is configured
	Threshold        string  `json:"threshold"`       // as th, or "never"
	Keep             bool    `json:"keep"`
	Reason           string  `json:"reason"` // as the metric label has it
	Because          string  `json:"because"`
	TraceStateIn     string  `json:"tracestate_in"`
	TraceStateOut    *string `json:"tracestate_out"` // null where the span is dropped
	// what the outgoing th says; null where nothing does
	AdjustedCount *float64 `json:"adjusted_count"`
	Notes         []string `json:"notes"`
}

// Explain says what happens to a trace under a configuration, by the same
// Decide. An error is about the question or the configuration. What a target would
// hold back at the moment is not known here, and a note says so.
func Explain(c Config, q Question) (Explanation, error) {
	r, err := c.compile()
	if err != nil {
		return Explanation{}, err
	}
	id, err := parseTraceID(q.TraceID)
	if err != nil {
		return Explanation{}, err
	}
	sp := otlpwire.Span{TraceID: id[:], TraceState: []byte(q.TraceState)}
	if q.Priority != nil {
		sp.Priority, sp.HasPriority = *q.Priority, true
	}
	rate := r.rate([]byte(q.Service))
	d := Decide(rate, Always, &sp)

	e := Explanation{
		TraceID:          hex.EncodeToString(id[:]),
		Service:          q.Service,
		Randomness:       d.Randomness.String(),
		RandomnessSource: d.Source.String(),
		Mode:             rate.mode,
		Probability:      rate.probability,
		ProbabilityKey:   "sampler.probability",
		Threshold:        d.Threshold.String(),
		Keep:             d.Keep,
		Reason:           d.Reason.String(),
		Because:          d.because(),
		TraceStateIn:     q.TraceState,
		Notes:            d.notes(r.config.TargetSpansPerSecond),
	}
	if rate != &r.standard {
		e.ProbabilityKey = "sampler.services." + q.Service
	}
	if in, ok := d.Incoming(); ok {
		th := in.String()
		e.IncomingTH = &th
	}
	if d.Keep {
		out := d.AppendTraceState(nil, sp.TraceState)
		text := string(out)
		e.TraceStateOut = &text
		if said := scanTraceState(out); said.problem == readable && said.hasTH {
			n := said.th.AdjustedCount()
			e.AdjustedCount = &n
		}
	}
	return e, nil
}

// parseTraceID reads a trace id as people paste it.
func parseTraceID(s string) (id [16]byte, err error) {
	s = strings.TrimSpace(s)
	if len(s) == 0 || len(s) > 32 {
		return id, fmt.Errorf("parse trace id %q: it has %d characters; give 1 to 32 hex digits", s, len(s))
	}
	if _, err := hex.Decode(id[:], []byte(strings.Repeat("0", 32-len(s))+s)); err != nil {
		return id, fmt.Errorf("parse trace id %q: %w; give 1 to 32 hex digits", s, err)
	}
	if id == [16]byte{} {
		return id, fmt.Errorf("parse trace id %q: all zero is not a trace id", s)
	}
	return id, nil
}

// because is the comparison, with its numbers.
func (d *Decision) because() string {
	full := Randomness(d.Threshold).String()
	switch d.Reason {
	case KeptPriority:
		return "sampling.priority is above 0"
	case DroppedPriority:
		return "sampling.priority is 0"
	case DroppedZero:
		return "the probability is 0"
	case Kept, KeptUnmarked:
		return fmt.Sprintf("randomness %v is not below the threshold %s", d.Randomness, full)
	}
	if d.Threshold >= Never {
		return "the probability is below 2^-56"
	}
	return fmt.Sprintf("randomness %v is below the threshold %s", d.Randomness, full)
}

// notes are what else is worth knowing.
func (d *Decision) notes(target float64) []string {
	notes := []string{}
	if !d.readable() {
		notes = append(notes, "the tracestate cannot be read, as "+d.Unreadable()+": the trace id decides, and the tracestate leaves as it came")
	}
	if d.Inconsistent {
		notes = append(notes, fmt.Sprintf("th:%v cannot be true, as it would have rejected this trace: it is erased", d.state.th))
	}
	if d.Keep && d.Reason == KeptUnmarked && d.readable() {
		notes = append(notes, "there is no room for th in the tracestate")
	}
	if d.Keep && d.Source == FromHash && d.Reason != KeptPriority {
		notes = append(notes, "hash_seed writes no th, as nobody could check it against the trace id")
	}
	if target > 0 {
		notes = append(notes, "sampler.target_spans_per_second may raise the threshold under load; the metrics of the running appliance say how far")
	}
	return notes
}

// Text is the explanation for people, ending in a newline.
func (e Explanation) Text() string {
	var b strings.Builder
	line := func(key, format string, args ...any) {
		fmt.Fprintf(&b, "%-14s %s\n", key, fmt.Sprintf(format, args...))
	}
	line("trace id", "%s", e.TraceID)
	if e.Service != "" {
		line("service", "%s", strconv.QuoteToGraphic(e.Service))
	}
	line("randomness", "%s (%s)", e.Randomness, e.RandomnessSource)
	if e.IncomingTH == nil {
		line("incoming th", "none")
	} else {
		line("incoming th", "%s", *e.IncomingTH)
	}
	line("configured", "%s, %v (%s)", e.Mode, e.Probability, e.ProbabilityKey)
	if th, ok := parseTH([]byte(e.Threshold)); ok {
		line("threshold", "%s, which keeps %.6g %%", e.Threshold, 100*th.Probability())
	} else {
		line("threshold", "%s", e.Threshold)
	}
	if e.Keep {
		line("verdict", "kept (%s): %s", e.Reason, e.Because)
	} else {
		line("verdict", "dropped (%s): %s", e.Reason, e.Because)
	}
	line("tracestate in", "%s", shown(e.TraceStateIn))
	if e.TraceStateOut != nil {
		line("tracestate out", "%s", shown(*e.TraceStateOut))
		switch {
		case e.AdjustedCount == nil:
			line("stands for", "not known, as there is no th")
		case *e.AdjustedCount == 1:
			line("stands for", "1 span")
		default:
			line("stands for", "%.6g spans", *e.AdjustedCount)
		}
	}
	for _, n := range e.Notes {
		line("note", "%s", n)
	}
	return b.String()
}

// shown is s made safe for a terminal.
func shown(s string) string {
	if s == "" {
		return "none"
	}
	quoted := strconv.QuoteToGraphic(s)
	if quoted[1:len(quoted)-1] == s {
		return s
	}
	return quoted
}
