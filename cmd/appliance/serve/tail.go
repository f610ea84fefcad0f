package serve

import (
	"context"
	"errors"
	"reflect"

	"appliance/internal/config"
	"appliance/internal/otlpwire"
	"appliance/internal/tail"
	"appliance/internal/telemetry"
	"appliance/sampler"
)

// TailSettings are those of tail sampling.
func TailSettings(conf config.Loaded) tail.Settings {
	s := tail.Settings{Wait: conf.Tail.DecisionWait, Remember: conf.Tail.Remember}
	for _, r := range conf.Tail.Rules {
		s.Rules = append(s.Rules, tail.Rule{
			Name: r.Name, When: r.When, Per: r.Per,
			Keep: tail.Keep{Probability: r.Keep, SpansPerSecond: r.SpansPerSecond},
		})
	}
	return s
}

// CheckTail says what is wrong with each rule.
func CheckTail(conf config.Loaded) error {
	var errs []error
	for _, reason := range sampledOutReasons() {
		for _, r := range conf.Tail.Rules {
			if r.Name == reason {
				errs = append(errs, &tail.RuleError{Rule: r.Name, Err: errors.New("is what the sampler calls its own spans in the account; give it another name")})
			}
		}
	}
	errs = append(errs, tail.Check(TailSettings(conf).Rules))
	return eachError(errors.Join(errs...), func(err error) error { return conf.At("tail.rules", err) })
}

// TailThreshold is the threshold of a probability, as precise as the sampler's.
func TailThreshold(conf config.Loaded) func(float64) (uint64, error) {
	return func(p float64) (uint64, error) {
		t, err := sampler.ThresholdOf(p, conf.Sampler.Precision)
		return uint64(t), err
	}
}

func tailThin(threshold uint64, s *otlpwire.Span, buf []byte) (otlpwire.Verdict, []byte) {
	return sampler.Thin(sampler.Threshold(threshold), s, buf)
}

// A trace takes up to 64 bytes while it is open, and up to 40 afterwards.
const (
	bytesOfTrace = 104
	tailShare    = 8 // of the memory bound, the part for traces
	leastTraces  = 20_000
	mostTraces   = 3_000_000

	outcomesShare = 16 // of the memory bound, the part for outcomes
	leastOutcomes = 8 << 20
	mostOutcomes  = 64 << 20
)

// tailTraces is how many traces may be open, and be remembered.
func tailTraces(bound int64) int {
	if bound == 0 {
		return mostTraces
	}
	return int(min(max(bound/tailShare/bytesOfTrace, leastTraces), mostTraces))
}

// tailOutcomes is how many bytes of what was decided on records may be held.
func tailOutcomes(bound int64) int {
	if bound == 0 {
		return mostOutcomes
	}
	return int(min(max(bound/outcomesShare, leastOutcomes), mostOutcomes))
}

// openTail puts tail sampling between the spool and whoever reads it. Without
// rules, and without verdicts of earlier runs, there is none.
func (a *appliance) openTail(context.Context) (err error) {
	a.tailing = TailSettings(a.conf)
	a.tail, err = tail.Open(tail.Options{
		Settings: a.tailing, Dir: TailDir(a.conf), Spool: a.spool, Logger: a.logger,
		Threshold: TailThreshold(a.conf), Thin: tailThin,
		MaxTraces: tailTraces(memoryBound(a.conf)), MaxOutcomes: tailOutcomes(memoryBound(a.conf)),
	})
	return err
}

func (a *appliance) runTail(ctx context.Context) error {
	if a.tail == nil {
		return nil
	}
	return a.tail.Run(ctx)
}

// reloadTail takes over the rules of a configuration, and says whether they
// differ from those in force. Where tail sampling is off they need a restart.
func (a *appliance) reloadTail(conf config.Loaded) (differs bool, err error) {
	if !a.reloadsTail() {
		return false, nil
	}
	if err := CheckTail(conf); err != nil {
		return false, err
	}
	s := TailSettings(conf)
	if reflect.DeepEqual(s, a.tailing) {
		return false, nil
	}
	if err := a.tail.Reload(s); err != nil {
		return false, conf.At("tail.rules", err)
	}
	a.tailing = s
	return true, nil
}

func (a *appliance) reloadsTail() bool { return a.tail != nil && len(a.conf.Tail.Rules) > 0 }

// tailMetrics are there where tail sampling is on.
func (a *appliance) tailMetrics() []telemetry.Metric {
	number := func(name, help string, read func(tail.Status) int64) telemetry.Metric {
		return telemetry.Metric{Name: name, Help: help, Read: func(emit func(float64, ...string)) {
			if a.tail != nil {
				emit(float64(read(a.tail.Status())))
			}
		}}
	}
	byRule := func(name, help string, read func(tail.RuleCounts) int64) telemetry.Metric {
		return telemetry.Metric{Name: name, Help: help, Labels: []string{"rule"}, Read: func(emit func(float64, ...string)) {
			if a.tail == nil {
				return
			}
			for rule, n := range a.tail.Status().Rules {
				emit(float64(read(n)), rule)
			}
		}}
	}
	return []telemetry.Metric{
		number("appliance_tail_undecided_traces", "Traces on which no rule has decided yet.", func(s tail.Status) int64 { return s.Traces }),
		number("appliance_tail_remembered_verdicts", "Verdicts that are remembered for late spans.", func(s tail.Status) int64 { return s.Verdicts }),
		number("appliance_tail_memory_bytes", "Memory of undecided traces and remembered verdicts.", func(s tail.Status) int64 { return s.Bytes }),
		number("appliance_tail_early_traces_total", "Traces that were decided before tail.decision_wait was over, since there were too many.", func(s tail.Status) int64 { return s.Early }),
		number("appliance_tail_forgotten_verdicts_total", "Verdicts that were forgotten before tail.remember was over, since there were too many; and late spans that were kept for want of one.", func(s tail.Status) int64 { return s.Forgotten }),
		number("appliance_tail_late_spans_total", "Spans that came after the verdict on their trace, and share it.", func(s tail.Status) int64 { return s.Late }),
		number("appliance_tail_rootless_traces_total", "Traces that were decided without a root.", func(s tail.Status) int64 { return s.RootMissing }),
		byRule("appliance_tail_traces_total", "Traces that a rule of tail.rules decided; the empty rule is for those that no rule matched.", func(n tail.RuleCounts) int64 { return n.Traces }),
		byRule("appliance_tail_spans_total", "Spans that these traces had at the verdict.", func(n tail.RuleCounts) int64 { return n.Spans }),
	}
}
