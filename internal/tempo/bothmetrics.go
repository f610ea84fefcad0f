package tempo

import (
	"cmp"
	"context"
	"maps"
	"math"
	"slices"

	"appliance/internal/readapi"
	"appliance/internal/traceql"
)

// Metrics takes each step of the series from one of both, so that a span which
// both have counts once.
//
// Where a query counts spans, that is whoever counted more of them in the step.
// For others it is the archive, up to the last step of which it has anything,
// and from there on Tempo, which has what came since. An instant is one step.
func (b *both) Metrics(
	ctx context.Context, r readapi.MetricsRequest,
) (*readapi.MetricsAnswer, error) {
	got, err := askBoth(ctx, r, b, readapi.Engine.Metrics)
	if err != nil {
		return nil, err
	}
	answer := &readapi.MetricsAnswer{
		Missing: got.missing(func(a *readapi.MetricsAnswer) readapi.Missing { return a.Missing }),
	}
	switch {
	case got.remoteErr != nil:
		answer.Series = got.archived.Series
	case got.archivedErr != nil:
		answer.Series = got.remote.Series
	default:
		j := newJoiner(r, got.remote.Series, got.archived.Series)
		answer.Series = j.join(got.remote.Series, got.archived.Series)
		if r.Step == 0 && j.shared {
			answer.Missing = append(answer.Missing, "Tempo and the archive both have spans of this "+
				"time; the value is of the one that has more of them, and may lack some; "+
				"a range has no such gap")
		}
	}
	if r.MaxSeries > 0 {
		answer.Series = answer.Series[:min(len(answer.Series), r.MaxSeries)]
	}
	return answer, nil
}

// joiner chooses for each step whose samples count.
type joiner struct {
	request          readapi.MetricsRequest
	counts           bool              // the sum of a step says who has more spans
	remote, archived map[int64]float64 // what each has in a step, of the steps that it knows
	last             int64             // step of which the archive has anything
	shared           bool              // there is a step of which both have anything
}

func newJoiner(r readapi.MetricsRequest, remote, archived []traceql.MetricSeries) *joiner {
	j := &joiner{request: r, counts: countsSpans(r.Query.Metric)}
	j.remote, j.archived = j.totals(remote), j.totals(archived)
	for step, has := range j.archived {
		if has != 0 {
			j.last = max(j.last, step)
			j.shared = j.shared || j.remote[step] != 0
		}
	}
	return j
}

// countsSpans says whether each span makes the sum of all series larger.
func countsSpans(m traceql.MetricExpr) bool {
	switch m := m.(type) {
	case *traceql.Compare:
		return true
	case *traceql.Series:
		return m.Func == traceql.MetricRate || m.Func == traceql.MetricCount ||
			m.Func == traceql.MetricHistogram
	}
	return false
}

// totals are the sums of the samples of each step. Where the query does not
// count spans, only whether they are 0 says something.
func (j *joiner) totals(series []traceql.MetricSeries) map[int64]float64 {
	out := map[int64]float64{}
	for _, s := range series {
		for _, sample := range s.Samples {
			if v := sample.Value; !math.IsNaN(v) {
				out[j.step(sample.Time)] += math.Abs(v)
			}
		}
	}
	return out
}

// step is where a time in Unix milliseconds belongs.
func (j *joiner) step(ms int64) int64 {
	if j.request.Step == 0 {
		return 0
	}
	return ms - ms%max(1, j.request.Step.Milliseconds())
}

// fromTempo says whether a step is Tempo's.
func (j *joiner) fromTempo(step int64) bool {
	remote, archived := j.remote[step], j.archived[step]
	_, known := j.archived[step]
	switch {
	case !known:
		return true
	case j.counts:
		return remote > archived
	case step >= j.last:
		return remote != 0
	}
	return remote != 0 && archived == 0
}

// join puts the samples and exemplars of the chosen steps together.
func (j *joiner) join(remote, archived []traceql.MetricSeries) []traceql.MetricSeries {
	byLabels := map[string]*traceql.MetricSeries{}
	exemplars := 0
	for i, source := range [][]traceql.MetricSeries{remote, archived} {
		chosen := func(ms int64) bool { return j.fromTempo(j.step(ms)) == (i == 0) }
		for _, s := range source {
			into := byLabels[s.PromLabels()]
			if into == nil {
				into = &traceql.MetricSeries{Labels: s.Labels}
				byLabels[s.PromLabels()] = into
			}
			for _, sample := range s.Samples {
				if chosen(sample.Time) {
					into.Samples = append(into.Samples, sample)
				}
			}
			for _, x := range s.Exemplars {
				if chosen(x.Time) && exemplars < j.request.Exemplars {
					into.Exemplars = append(into.Exemplars, x)
					exemplars++
				}
			}
		}
	}
	var out []traceql.MetricSeries
	for _, labels := range slices.Sorted(maps.Keys(byLabels)) {
		s := byLabels[labels]
		if len(s.Samples) == 0 {
			continue
		}
		slices.SortFunc(s.Samples, func(a, b traceql.MetricSample) int {
			return cmp.Compare(a.Time, b.Time)
		})
		out = append(out, *s)
	}
	return out
}
