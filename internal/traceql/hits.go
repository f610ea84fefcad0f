package traceql

import (
	"cmp"
	"container/heap"
	"slices"
)

// hit is a trace for which a query is true.
type hit struct {
	trace int
	start uint64
	sets  []spanset
}

// weight is how much memory a hit takes, about.
func (h *hit) weight() int64 {
	const ofHit, ofSet = 50, 50
	n := ofHit + ofSet*len(h.sets)
	for i := range h.sets {
		n += 4*len(h.sets[i].spans) + weightOf(h.sets[i].attrs)
	}
	return int64(n)
}

// newer orders hits of a batch, the newest first.
func (h hit) newer(other hit) int {
	return cmp.Or(cmp.Compare(other.start, h.start), cmp.Compare(h.trace, other.trace))
}

// hits are the traces of a batch that were found. Mostly no more than the newest
// are ever looked at, so only these are sorted.
type hits struct {
	newest oldestFirst
	rest   []hit // older than all of newest
	budget *Budget
	held   int64
	short  error // why older hits were left out
}

// add takes a hit. Of older ones than a number of the newest it keeps none if only
// these can be in an answer.
func (f *hits) add(h hit, number int, only bool) {
	last := len(f.newest) > 0 && h.newer(f.newest[0]) > 0
	full := len(f.newest) == number
	if last && (f.short != nil || only && full) || !f.makeRoom(&h) {
		return
	}
	if len(f.newest) < number {
		heap.Push(&f.newest, h)
		return
	}
	if !last {
		h, f.newest[0] = f.newest[0], h
		heap.Fix(&f.newest, 0)
	}
	if only || f.short != nil {
		f.drop(h)
	} else {
		f.rest = append(f.rest, h)
	}
}

// makeRoom leaves out older hits where there is no room for one. One can be alone.
func (f *hits) makeRoom(h *hit) bool {
	for n := h.weight(); ; {
		err := f.budget.hold(n)
		if err == nil {
			f.held += n
			return true
		}
		f.short = err
		f.drop(f.rest...)
		had := len(f.rest) > 0
		f.rest = nil
		switch {
		case len(f.newest) == 0:
			return true
		case h.newer(f.newest[0]) > 0:
			return false
		case !had:
			f.drop(heap.Pop(&f.newest).(hit))
		}
	}
}

// drop gives back the memory of hits.
func (f *hits) drop(hits ...hit) {
	n := int64(0)
	for i := range hits {
		n += hits[i].weight()
	}
	n = min(n, f.held)
	f.held -= n
	_ = f.budget.hold(-n) // giving back never fails
}

// sort sorts the newest, after the last add.
func (f *hits) sort() { slices.SortFunc(f.newest, hit.newer) }

// first are up to n of the newest, sorted.
func (f *hits) first(n int) []hit {
	if len(f.newest) == 0 {
		f.newest, f.rest = f.rest, nil
		f.sort()
	}
	return f.newest[:min(n, len(f.newest))]
}

// since takes those of the newest that start at a time or later. They are to be
// dropped one by one.
func (f *hits) since(from uint64) []hit {
	n := 0
	for n < len(f.newest) && f.newest[n].start >= from {
		n++
	}
	taken := f.newest[:n]
	f.newest = f.newest[n:]
	return taken
}

// done drops all.
func (f *hits) done() {
	_ = f.budget.hold(-f.held)
	f.newest, f.rest, f.held = nil, nil, 0
}

// oldestFirst is a heap.
type oldestFirst []hit

func (h oldestFirst) Len() int           { return len(h) }
func (h oldestFirst) Less(i, j int) bool { return h[i].newer(h[j]) > 0 }
func (h oldestFirst) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *oldestFirst) Push(x any)        { *h = append(*h, x.(hit)) }
func (h *oldestFirst) Pop() any {
	old := *h
	last := old[len(old)-1]
	*h = old[:len(old)-1]
	return last
}
