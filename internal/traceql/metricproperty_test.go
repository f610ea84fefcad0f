package traceql

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"appliance/internal/traceql/querytest"
)

// TestMetricsEqualReference compares metrics with a naive computation, over one
// batch and over one for each trace.
func TestMetricsEqualReference(t *testing.T) {
	asked := 0
	for seed := uint64(0); asked < 400; seed++ {
		if metricEqualsReference(t, seed) {
			asked++
		}
	}
}

func FuzzMetricEqualsReference(f *testing.F) {
	for seed := range uint64(10) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) { metricEqualsReference(t, seed) })
}

// metricEqualsReference says whether the seed's query is one.
func metricEqualsReference(t *testing.T, seed uint64) bool {
	const start, end, step = 1_000_000_000, 5_000_000_000, 70_000_000
	r := rand.New(rand.NewPCG(seed, 23))
	m := querytest.Maker{Rand: r}
	traces := randomTraces(r)
	by := ""
	if n := r.IntN(3); n > 0 {
		attrs := []string{m.Attribute(), m.Attribute()}
		by = " by (" + strings.Join(attrs[:n], ", ") + ")"
	}
	fn := m.Pick("rate()", "count_over_time()", "sum_over_time(@)", "avg_over_time(@)", "min_over_time(@)",
		"max_over_time(@)", "quantile_over_time(@, 0, .5, .9)", "histogram_over_time(@)")
	text := m.Filter() + " | " + strings.Replace(fn, "@", m.Attribute(), 1) + by
	q, err := Parse(text)
	if err != nil {
		return false
	}
	o := MetricsOptions{Start: start, End: end, Step: step}
	want := refMetric(q.Metric.(*Series), traces, start-start%step, step, int((end-start+start%step+step-1)/step)+1)
	whole := computeMetric(t, q, o, batchOf(t, traces))
	parts := computeMetric(t, q, o, batchOfEach(t, traces)...)
	if !slices.Equal(want, whole) || !slices.Equal(want, parts) {
		t.Fatalf("seed %d: %s\nwant  %v\nwhole %v\nparts %v\n%s", seed, text, want, whole, parts, describe(traces))
	}
	return true
}

// TestFunctionsDoNotSeeEachOther computes two functions about different spans in one
// query, whose filters are not met by their comparisons alone.
func TestFunctionsDoNotSeeEachOther(t *testing.T) {
	o := MetricsOptions{Start: 1795878000e9, End: 1795885200e9, Step: 600e9}
	const left = `({ !(span.level = 2) || span.t.int = 1 } | count_over_time())`
	const right = `({ !(kind = server) || status = error } | count_over_time())`
	alone := computeMetric(t, mustParse(t, right), o, conformanceBatch())
	sum := computeMetric(t, mustParse(t, left+" * 0 + "+right), o, conformanceBatch())
	if !slices.Equal(alone, sum) {
		t.Errorf("alone %v\nbeside another %v", alone, sum)
	}
}

// batchOfEach is a batch of each trace.
func batchOfEach(t *testing.T, traces [][]*plainSpan) (all []Batch) {
	t.Helper()
	for _, trace := range traces {
		all = append(all, batchOf(t, [][]*plainSpan{trace}))
	}
	return all
}

func computeMetric(t *testing.T, q *Query, o MetricsOptions, batches ...Batch) (out []string) {
	m, err := NewMetrics(q, o)
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range batches {
		if err := m.Add(context.Background(), b); err != nil {
			t.Fatal(err)
		}
	}
	series, _ := m.Series()
	for _, s := range series {
		line := s.PromLabels()
		for _, x := range s.Samples {
			if x.Value != 0 {
				line += fmt.Sprintf(" %d:%.9g", x.Time, x.Value)
			}
		}
		out = append(out, line)
	}
	slices.Sort(out)
	return out
}

// refMetric has for each series its labels and the samples that are not 0.
func refMetric(x *Series, traces [][]*plainSpan, start, step int64, n int) []string {
	ref := newReference(x.Spans)
	groups := map[string]map[int][]Value{}
	for _, spans := range traces {
		for _, set := range ref.run(x.Spans.Stages, []refSet{{spans: stored(spans)}}) {
			for _, s := range set.spans {
				i := int((s.start - start) / step)
				if s.start < start || i >= n-1 {
					continue
				}
				var labels []MetricLabel
				for _, a := range x.By {
					if v := ref.eval(a, s); len(v) > 0 {
						labels = append(labels, MetricLabel{a.Label(), single(v)})
					}
				}
				key := labelsText(labels, x)
				if groups[key] == nil {
					groups[key] = map[int][]Value{}
				}
				v := IntValue(1)
				if x.Attr != nil {
					v = Value{}
					if values := ref.eval(x.Attr, s); len(values) == 1 {
						v = values[0]
					}
				}
				groups[key][i] = append(groups[key][i], v)
			}
		}
	}
	var out []string
	for key, byStep := range groups {
		out = append(out, refLines(x, key, byStep, start, step, n)...)
	}
	slices.Sort(out)
	return out
}

func labelsText(labels []MetricLabel, x *Series) string {
	if len(labels) == 0 && len(x.By) > 0 && x.Func != MetricQuantile && x.Func != MetricHistogram {
		labels = []MetricLabel{{Name: x.By[0].Label()}}
	}
	if len(x.By) == 0 && x.Func != MetricQuantile && x.Func != MetricHistogram {
		labels = []MetricLabel{{labelName, StringValue(x.Func.String())}}
	}
	return promLabels(labels)
}

func refLines(x *Series, key string, byStep map[int][]Value, start, step int64, n int) []string {
	with := func(name string, f float64) string {
		parts := []string{fmt.Sprintf("%s=%q", name, labelText(FloatValue(f)))}
		if inner := strings.Trim(key, "{}"); inner != "" {
			parts = append(parts, strings.Split(inner, ", ")...)
		}
		slices.SortFunc(parts, func(a, b string) int {
			return strings.Compare(strings.Trim(a, `"`), strings.Trim(b, `"`))
		})
		return "{" + strings.Join(parts, ", ") + "}"
	}
	lines := map[string]string{}
	add := func(name string, i int, v float64) {
		if _, ok := lines[name]; !ok {
			lines[name] = ""
		}
		if v != 0 {
			lines[name] += fmt.Sprintf(" %d:%.9g", (start+int64(i)*step)/1e6, v)
		}
	}
	for i := range n {
		var sum, extreme float64
		numbers := 0
		var limits []float64
		for _, v := range byStep[i] {
			f := v.Float()
			if math.IsNaN(f) {
				continue
			}
			if x.Attr != nil && fieldOf(x.Attr).Intrinsic == IntrinsicDuration {
				f /= 1e9
			}
			numbers++
			sum += f
			if numbers == 1 || x.Func == MetricMin && f < extreme || x.Func == MetricMax && f > extreme {
				extreme = f
			}
			if v.Type != TypeFloat && v.Num >= 2 {
				limit := math.Exp2(math.Ceil(math.Log2(float64(v.Num))))
				if v.Type == TypeDuration {
					limit /= 1e9
				}
				limits = append(limits, limit)
			}
		}
		switch x.Func {
		case MetricRate:
			add(key, i, float64(numbers)/(float64(step)/1e9))
		case MetricCount:
			add(key, i, float64(numbers))
		case MetricHistogram:
			for _, limit := range limits {
				if name := with(labelBucket, limit); !strings.Contains(lines[name], fmt.Sprintf(" %d:", (start+int64(i)*step)/1e6)) {
					add(name, i, float64(countOf(limits, limit)))
				}
			}
		case MetricQuantile:
			for _, q := range x.Quantiles {
				if len(limits) > 0 {
					add(with(labelQuantile, q), i, refQuantile(limits, q))
				}
			}
		default:
			if numbers > 0 {
				add(key, i, map[MetricFunc]float64{MetricSum: sum, MetricAvg: sum / float64(numbers),
					MetricMin: extreme, MetricMax: extreme}[x.Func])
			}
		}
	}
	var out []string
	for name, samples := range lines {
		out = append(out, name+samples)
	}
	return out
}

func countOf(limits []float64, limit float64) (n int) {
	for _, l := range limits {
		if l == limit {
			n++
		}
	}
	return n
}

func refQuantile(limits []float64, q float64) float64 {
	slices.Sort(limits)
	rank := max(1, int(math.Ceil(q*float64(len(limits)))))
	limit := limits[rank-1]
	below := slices.Index(limits, limit)
	low := limit / 2
	if below > 0 {
		low = limits[below-1]
	}
	return low * math.Pow(limit/low, float64(rank-below)/float64(countOf(limits, limit)))
}
