package traceql

import (
	"context"
	"errors"
	"fmt"
)

// MetricsOptions says over which time a metric is computed.
type MetricsOptions struct {
	// Start and End bound the starts of spans, in Unix nanoseconds; End is not
	// included. For a range they are moved outward to multiples of Step.
	Start, End uint64
	// Step is the distance of two samples in nanoseconds. 0 asks for one value
	// of the whole time: an instant query.
	Step uint64
	// Exemplars is how many spans each function of the query may name.
	Exemplars int
	Budget    *Budget
	// Wait calls what may have to wait until others have read their columns. nil:
	// it is called as it is.
	Wait func(func())
}

// Series is one line of the answer to a metrics query.
type MetricSeries struct {
	Labels    []MetricLabel
	Samples   []MetricSample
	Exemplars []MetricExemplar
}

// MetricSample is one value, of the time from Time on for a step. Time is in Unix
// milliseconds.
type MetricSample struct {
	Time  int64
	Value float64
}

// MetricExemplar is a span that a series was computed of.
type MetricExemplar struct {
	TraceID [16]byte
	Time    int64 // Unix milliseconds
	Value   float64
}

// Metrics computes a metrics query over batches. It may be used by several
// goroutines, each with a batch of its own. What it keeps does not depend on the
// order of the batches, but for exemplars and what is over the budget.
type Metrics struct {
	root   metricNode
	leaves []metricLeaf
	steps  timeSteps

	mu      waitingMutex // held while columns are read
	partial Partial
}

// metricLeaf is computed of spans.
type metricLeaf interface {
	metricNode
	// find computes which spans it is about.
	find(*evaluation) (*Bitmap, error)
	// observe takes them into account. It is not called twice at a time.
	observe(*evaluation, *Bitmap) error
}

// metricNode is computed when all batches are.
type metricNode interface {
	series() []*line
}

// NewMetrics compiles a metrics query.
func NewMetrics(q *Query, opts MetricsOptions) (*Metrics, error) {
	if q.Metric == nil {
		return nil, fmt.Errorf("compute metrics: the query searches for spans, expected a function like rate()")
	}
	m := &Metrics{mu: newWaitingMutex(opts.Wait)}
	var err error
	if m.steps, err = newSteps(opts); err != nil {
		return nil, err
	}
	m.root, err = m.compile(q.Metric, q, &opts)
	return m, err
}

func (m *Metrics) compile(x MetricExpr, q *Query, opts *MetricsOptions) (metricNode, error) {
	switch x := x.(type) {
	case *Series:
		leaf, err := newSeriesLeaf(x, q, opts, m.steps)
		if err != nil {
			return nil, err
		}
		m.leaves = append(m.leaves, leaf)
		return leaf, nil
	case *Compare:
		leaf, err := newCompareLeaf(x, opts, m.steps)
		if err != nil {
			return nil, err
		}
		m.leaves = append(m.leaves, leaf)
		return leaf, nil
	case *TopK:
		inner, err := m.compile(x.X, q, opts)
		return topNode{inner, x.N, x.Bottom, m.steps.n}, err
	case *MetricBinary:
		l, err := m.compile(x.LHS, q, opts)
		if err != nil {
			return nil, err
		}
		r, err := m.compile(x.RHS, q, opts)
		return binaryNode{x.Op, l, r}, err
	case *Literal:
		return numberNode{literalValue(x).Float()}, nil
	}
	return nil, errorAt(x.Position(), "%s cannot be computed", x)
}

// Add takes the spans of a batch into account. What is over the budget or the
// deadline makes the answer partial and is not an error.
func (m *Metrics) Add(ctx context.Context, b Batch) error {
	partial, err := partialFor(m.add(newEvaluation(ctx, b)))
	if partial != "" {
		m.mu.Lock()
		m.partial = partial
		m.mu.Unlock()
	}
	return err
}

// add goes on with the other functions where one has no room for all that is found:
// what it keeps is right, and may be computed with what they keep.
func (m *Metrics) add(e *evaluation) error {
	var over error
	for _, leaf := range m.leaves {
		found, err := leaf.find(e)
		if err != nil {
			return err
		}
		m.mu.Lock()
		err = leaf.observe(e, found)
		m.mu.Unlock()
		switch {
		case errors.Is(err, ErrOverBudget):
			over = err
		case err != nil:
			return err
		}
	}
	return over
}

// Series returns the answer, ordered by its labels, and why it may not be
// complete.
func (m *Metrics) Series() ([]MetricSeries, Partial) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.steps.answer(m.root.series()), m.partial
}

// find is the set of the spans that the pipeline leaves.
func (p *plan) find(e *evaluation) (*Bitmap, error) {
	if len(p.stages) == 1 {
		if only, ok := p.stages[0].(filterStage); ok {
			spans, err := only.f.spans(p, e)
			if err != nil {
				return nil, err
			}
			return e.seen(spans)
		}
	}
	found := NewBitmap(e.spans)
	err := p.run(e, func(_ int, sets []spanset) error {
		for _, set := range sets {
			for _, i := range set.spans {
				found.Set(int(i))
			}
		}
		return nil
	})
	return found, err
}
