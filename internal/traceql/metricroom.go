package traceql

import "fmt"

const (
	maxCells = 1 << 20 // numbers that a function keeps at most
	// cellBytes is a number's memory with what is made of it for the answer.
	cellBytes = 32
	// seriesBytes is that of a series, without its numbers and texts.
	seriesBytes = 1 << 10
)

// lineBytes is the memory of a series without its numbers, also while it is written:
// its labels are made a text to sort by, and are in a message twice.
func lineBytes(labels []MetricLabel) int64 { return seriesBytes + 3*int64(len(promLabels(labels))) }

// accumulator is what is known of a group.
type accumulator struct {
	count, sum []float64 // by step; count is that of values
	extreme    []float64
	buckets    map[bucket][]float64
	exemplars  []MetricExemplar

	line  int64 // bytes that each of its series takes besides numbers
	cells int   // that it took of the leaf
	held  int64 // of the budget
	lost  bool  // there was no room for all of it, so that it is left out
}

// accumulator is that of a group; nil if there is none, or no room for it.
func (l *seriesLeaf) accumulator(g int) *accumulator {
	switch {
	case g >= 0 && g < len(l.accs):
		return l.accs[g]
	case g < 0 || l.groups.over != nil:
		return nil
	}
	acc, n := &accumulator{line: lineBytes(l.groups.labels(g, l.x.By))}, l.steps.n
	cells := n
	switch l.x.Func {
	case MetricSum, MetricAvg:
		cells = 2 * n
	case MetricHistogram, MetricQuantile:
		cells = 0 // a bucket's are taken with it
	}
	if err := l.take(acc, cells, acc.line); err != nil {
		l.groups.over = err
		return nil
	}
	switch l.x.Func {
	case MetricRate, MetricCount:
		acc.count = make([]float64, n)
	case MetricSum, MetricAvg:
		acc.count, acc.sum = make([]float64, n), make([]float64, n)
	case MetricMin, MetricMax:
		acc.extreme = missing(n)
	default:
		acc.buckets = map[bucket][]float64{}
	}
	l.accs = append(l.accs, acc)
	return acc
}

// take takes numbers and other bytes from the budget, all or nothing.
func (l *seriesLeaf) take(acc *accumulator, cells int, bytes int64) error {
	if l.cells+cells > maxCells {
		return fmt.Errorf("%w: its series have more than %d values", ErrOverBudget, maxCells)
	}
	bytes += int64(cellBytes * cells)
	if err := l.budget.hold(bytes); err != nil {
		return err
	}
	l.cells += cells
	acc.cells += cells
	acc.held += bytes
	return nil
}

// lose leaves out a group which there was not enough room for: without some of its
// numbers the others are wrong. What it took is for those that stay.
func (l *seriesLeaf) lose(acc *accumulator, why error) {
	l.groups.over = why
	l.cells -= acc.cells
	_ = l.budget.hold(-acc.held) // giving back never fails
	*acc = accumulator{lost: true}
}
