package oracle

import (
	"encoding/binary"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"appliance/e2e/internal/harness"
)

// TailVerdict is what a reading of all blocks and verdicts gave.
type TailVerdict struct {
	Traces int   // of which a span was answered 200
	Kept   int   // of them
	Spans  int64 // answered 200, of traces that are kept
	Copies int64 // of them in one more block

	Lost       int   // traces that are kept and of which nothing is there
	Incomplete int   // of which something is missing that was answered 200
	Wrong      int   // verdicts against the rules on the whole trace
	Undecided  int   // traces without a verdict
	Again      int   // traces with more than one
	Leaked     int64 // spans that are there, and were left out
	Duplicated int64 // spans twice in a block, or in more blocks than they were sent
	Corrupted  int64
	Invented   int64
	Account    int // numbers of the account that cannot be

	Examples []string // of what is wrong
	Took     time.Duration
}

// Clean says that nothing is wrong.
func (v *TailVerdict) Clean() bool {
	return v.Lost+v.Incomplete+v.Wrong+v.Undecided+v.Again+v.Account == 0 && v.Leaked+v.Duplicated+v.Corrupted+v.Invented == 0
}

func (v *TailVerdict) String() string {
	return fmt.Sprintf("%d traces, %d kept with %d spans; %d lost, %d incomplete, %d verdicts against the rules, %d undecided, %d decided twice; "+
		"%d spans leaked, %d duplicated, %d corrupted, %d invented, %d wrong numbers; %d copies; read in %.1f s",
		v.Traces, v.Kept, v.Spans, v.Lost, v.Incomplete, v.Wrong, v.Undecided, v.Again, v.Leaked, v.Duplicated, v.Corrupted, v.Invented, v.Account, v.Copies, v.Took.Seconds())
}

func (v *TailVerdict) example(format string, args ...any) {
	if len(v.Examples) < 10 {
		v.Examples = append(v.Examples, fmt.Sprintf(format, args...))
	}
}

// Judge reads all finished blocks and all verdicts of an appliance that has
// decided and proven everything, and compares them, and its account, with what
// was sent. No load may be running.
func (w *Tail) Judge(patience time.Duration, dataDir string, account harness.Ledger) (TailVerdict, error) {
	store := harness.BlocksDir(dataDir)
	for deadline := time.Now().Add(patience); ; {
		began := time.Now()
		paths, err := blocks(store)
		if err != nil {
			return TailVerdict{}, err
		}
		v := TailVerdict{}
		found := map[place][]int{}
		for source, path := range paths {
			if err := readBlock(path, func(c content, _ string) { w.see(&v, found, source, c) }); err != nil {
				return v, err
			}
		}
		again, err := changes(store, paths, deadline)
		if err != nil {
			return v, err
		}
		if again {
			continue
		}
		verdicts, err := readVerdicts(filepath.Join(dataDir, "tail"))
		if err != nil {
			return v, err
		}
		w.conclude(&v, found, verdicts, account)
		v.Took = time.Since(began)
		return v, nil
	}
}

// see takes in one span of a block.
func (w *Tail) see(v *TailVerdict, found map[place][]int, source int, c content) {
	trace := uint64(c.number) // what it says; its ids are compared below
	index, ok := w.f.indexOf(trace, c.spanID[:])
	p := place{trace, index}
	if !ok || trace == 0 || trace > uint64(len(w.traces)) || int(index) >= len(w.traces[trace-1]) || len(w.traces[trace-1][index]) == 0 {
		v.Invented++
		v.example("span %x of trace %x was never sent", c.spanID, c.traceID)
		return
	}
	if want := w.span(p); c != want {
		v.Corrupted++
		v.example("trace %d: span %d is %+v, was sent as %+v", trace, index, c, want)
	}
	if slices.Contains(found[p], source) || len(found[p]) == len(w.traces[trace-1][index]) {
		v.Duplicated++
		v.example("trace %d: span %d was sent %d times, and is in blocks %v and %d", trace, index, len(w.traces[trace-1][index]), found[p], source)
	}
	found[p] = append(found[p], source)
}

// conclude compares what was found with what was sent.
func (w *Tail) conclude(v *TailVerdict, found map[place][]int, verdicts map[[16]byte][]written, account harness.Ledger) {
	b := bounds{left: map[string]*between{}}
	for i, spans := range w.traces {
		trace := uint64(i) + 1
		id := w.f.traceID(trace)
		of := verdicts[id]
		acked := slices.ContainsFunc(spans, answered)
		if acked {
			v.Traces++
		}
		switch {
		case acked && len(of) == 0:
			v.Undecided++
			v.example("trace %d has no verdict", trace)
		case len(of) > 1:
			v.Again++
			v.example("trace %d has the verdicts %+v", trace, of)
		case len(of) == 1:
			w.judge(v, found, trace, of[0], &b)
		}
		for index := range spans {
			if len(of) == 0 && len(found[place{trace, uint32(index)}]) > 0 {
				v.Leaked++
				v.example("trace %d: span %d is there, without a verdict", trace, index)
			}
		}
	}
	b.compare(v, account)
}

func answered(sent []sending) bool {
	return slices.ContainsFunc(sent, func(s sending) bool { return !s.acked.IsZero() })
}

// judge holds that the verdict on a trace is right, and was carried out.
func (w *Tail) judge(v *TailVerdict, found map[place][]int, trace uint64, verdict written, b *bounds) {
	id := w.f.traceID(trace)
	keep := binary.BigEndian.Uint64(id[8:])%allRandomness >= verdict.threshold
	if why := w.against(trace, verdict); why != "" {
		v.Wrong++
		v.example("trace %d: rule %s decided at %s: %s", trace, verdict.rule, verdict.at.Format(time.RFC3339Nano), why)
	}
	acked, missing := 0, 0
	for i, sent := range w.traces[trace-1] {
		b.add(keep, verdict.rule, sent)
		n := len(found[place{trace, uint32(i)}])
		switch {
		case !keep && n > 0:
			v.Leaked++
			v.example("trace %d: span %d is there, and rule %s left it out", trace, i, verdict.rule)
		case keep && answered(sent):
			acked++
			v.Copies += int64(max(n-1, 0))
			if n == 0 {
				missing++
			}
		}
	}
	if !keep || acked == 0 {
		return
	}
	v.Kept++
	v.Spans += int64(acked)
	switch missing {
	case 0:
	case acked:
		v.Lost++
		v.example("trace %d: nothing is there of %d spans, and rule %s kept it", trace, acked, verdict.rule)
	default:
		v.Incomplete++
		v.example("trace %d: %d of %d spans are missing, and rule %s kept it", trace, missing, acked, verdict.rule)
	}
}

// clocks is how far the clocks of two processes on one machine may be apart.
const clocks = time.Millisecond

// against says why a verdict is against the rules on what was acknowledged
// before it; empty: it is not.
func (w *Tail) against(trace uint64, verdict written) string {
	if verdict.early {
		return "it was decided early"
	}
	var sure, possible fact
	for i, sent := range w.traces[trace-1] {
		facts := w.factOf(place{trace, uint32(i)})
		for _, s := range sent {
			if !s.acked.IsZero() && s.acked.Before(verdict.at.Add(-clocks)) {
				sure |= facts
			}
			if s.from.Before(verdict.at.Add(clocks)) {
				possible |= facts
			}
		}
	}
	for _, t := range w.terms {
		r, ok := t.rules.named(verdict.rule)
		if !ok {
			continue
		}
		if verdict.threshold != r.threshold() {
			return fmt.Sprintf("its threshold is %x", verdict.threshold)
		}
		if verdict.at.Before(t.from.Add(-clocks)) || !t.until.IsZero() && verdict.at.After(t.until.Add(clocks)) {
			continue
		}
		for facts := range fact(8) {
			if facts&sure == sure && facts&^possible == 0 && t.rules.decides(facts) == r {
				return ""
			}
		}
		return fmt.Sprintf("its facts are %03b, and perhaps %03b", sure, possible)
	}
	return "these rules were not in force"
}

// between is how many spans there are at least and at most: what was answered
// 200 counts as often as it was, and what was not may count.
type between struct{ least, most int64 }

func (b *between) add(sent []sending) {
	for _, s := range sent {
		b.most++
		if !s.acked.IsZero() {
			b.least++
		}
	}
}

func (b *between) has(n int64) bool { return b.least <= n && n <= b.most }

// bounds are what the account may say.
type bounds struct {
	kept between
	left map[string]*between // by rule
}

func (b *bounds) add(keep bool, rule string, sent []sending) {
	if keep {
		b.kept.add(sent)
		return
	}
	if b.left[rule] == nil {
		b.left[rule] = &between{}
	}
	b.left[rule].add(sent)
}

func (b *bounds) compare(v *TailVerdict, account harness.Ledger) {
	wrong := func(format string, args ...any) {
		v.Account++
		v.example(format, args...)
	}
	if err := account.Balanced(); err != nil {
		wrong("%v", err)
	}
	if account.Undecided != 0 {
		wrong("%d spans are undecided", account.Undecided)
	}
	if n := account.Proven; !b.kept.has(n) {
		wrong("%d spans are proven, and can be %+v", n, b.kept)
	}
	for rule, n := range account.SampledOut {
		if b.left[rule] == nil && n != 0 || b.left[rule] != nil && !b.left[rule].has(n) {
			wrong("rule %s left out %d spans, and can have %+v", rule, n, b.left[rule])
		}
	}
	for rule, of := range b.left {
		if account.SampledOut[rule] == 0 && of.least > 0 {
			wrong("rule %s left out nothing, and did %+v", rule, *of)
		}
	}
}
