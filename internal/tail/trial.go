package tail

import (
	"fmt"

	"appliance/internal/traceql"
)

// Trial says what rules would have kept of traces that are stored.
type Trial struct {
	rules   *rules
	open    *table[trace, *trace]
	values  *groups
	tenants names
	late    Options // of which only Threshold is used
}

// TrialRule is what became of the traces of a rule. "" stands for traces that no
// rule matches, which are kept.
type TrialRule struct {
	Name       string `json:"rule"`
	Traces     int64  `json:"traces"`
	Spans      int64  `json:"spans"`
	KeptTraces int64  `json:"kept_traces"`
	KeptSpans  int64  `json:"kept_spans"`
}

// NewTrial compiles rules. Its errors name each that cannot be used.
func NewTrial(list []Rule, threshold func(probability float64) (uint64, error)) (*Trial, error) {
	rs, err := compile(list, threshold)
	if err != nil {
		return nil, err
	}
	return &Trial{
		rules: rs, open: newTable[trace](), values: newGroups(len(rs.per)), tenants: newNames(),
		late: Options{Threshold: threshold},
	}, nil
}

// Add takes in spans of a tenant, as an encoded ExportTraceServiceRequest. A
// trace may come in parts.
func (t *Trial) Add(tenant string, spans []byte) error {
	number := t.tenants.of(tenant)
	var one traceql.OneSpan
	err := eachSpan(spans, func(resource, scope, span []byte) {
		if one.Set(resource, scope, span) != nil || len(one.TraceID) != 16 {
			return
		}
		k := key{[16]byte(one.TraceID), number}
		of := t.open.find(k)
		if of == nil {
			of = t.open.add(func(to *trace) { to.id, to.tenant = k.id, k.tenant })
		}
		of.see(t.rules, t.values, &one)
	})
	if err != nil {
		return fmt.Errorf("read stored spans: %w", err)
	}
	return nil
}

// Result is what became of the traces that began at a time, in Unix nanoseconds,
// or later: for each rule in order, and for those that none matched. A rate is
// taken for what comes evenly over all of that time.
func (t *Trial) Result(since uint64) []TrialRule {
	l := &Line{o: t.late, rules: t.rules, values: t.values, rates: map[rateOf]*rate{}}
	first, last := ^uint64(0), uint64(0)
	offered := map[*rate]float64{}
	t.each(since, func(x *trace, r int) {
		first, last = min(first, x.start), max(last, x.end)
		if r != noRule && t.rules.list[r].Keep.SpansPerSecond > 0 {
			offered[l.rate(r, x.group)] += float64(x.spans)
		}
	})
	seconds := max(1, float64(last-first)/1e9)
	out := make([]TrialRule, len(t.rules.list)+1)
	for i := range t.rules.list {
		out[i].Name = t.rules.list[i].Name
	}
	t.each(since, func(x *trace, r int) {
		to, threshold := &out[len(out)-1], uint64(keepAll)
		if r != noRule {
			to, threshold = &out[r], t.rules.list[r].threshold
			if n := t.rules.list[r].Keep.SpansPerSecond; n > 0 {
				threshold = l.thresholdOf(min(1, n*seconds/offered[l.rate(r, x.group)]))
			}
		}
		to.Traces++
		to.Spans += int64(x.spans)
		if randomness(x.id) >= threshold {
			to.KeptTraces++
			to.KeptSpans += int64(x.spans)
		}
	})
	return out
}

func (t *Trial) each(since uint64, yield func(x *trace, rule int)) {
	for n := t.open.first; n < t.open.next; n++ {
		if x := t.open.at(n); x.start >= since {
			yield(x, t.rules.first(x))
		}
	}
}
