package oracle

import (
	"math/rand/v2"
	"sync"
)

// run is successive spans of one trace that go in one request.
type run struct {
	trace uint64
	from  uint32
	spans uint32
}

// batch is the spans of one request.
type batch struct {
	number uint32
	runs   []run
	spans  int
	tried  bool // it was sent before
}

// record is what is known of a trace.
type record struct {
	acked   []bool   // by span
	request []uint32 // by span: the number of its batch
}

// Shape of the traces: most end soon, some stay open as long as the load lasts.
// They are large, because Tempo takes about as long to read back a trace of one
// span as one of a thousand.
const (
	openShort  = 6
	shortSpans = 2000 // at most
	openLong   = 3
	longSpans  = 20_000
	longShare  = 0.15 // of the runs
)

// book keeps what was sent, and what of it was answered 200.
type book struct {
	mu      sync.Mutex
	rng     *rand.Rand
	traces  []record
	short   []open
	long    []open
	batches uint32
	again   map[uint32]int // by batch: how often it was sent after the first time

	frozen             bool
	sent, acked, tries int64
	answers            map[int]int64 // requests by status, 0 for none
	wrong              []string      // answers that no client should get
	unanswered         []string      // why there was no answer
}

// open is a trace that gets more spans.
type open struct {
	trace uint64
	left  int
}

func newBook(seed uint64) *book {
	return &book{rng: rand.New(rand.NewPCG(seed, 1)), again: map[uint32]int{}, answers: map[int]int64{}}
}

// take reserves the next n spans, spread over open traces.
func (b *book) take(n int) batch {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.batches++
	t := batch{number: b.batches, spans: n}
	for n > 0 {
		want := min(n, 1+b.rng.IntN(64))
		pool, size, limit := &b.short, openShort, shortSpans
		if b.rng.Float64() < longShare {
			pool, size, limit = &b.long, openLong, longSpans
		}
		if len(*pool) < size {
			*pool = append(*pool, open{uint64(len(b.traces)) + 1, 1 + b.rng.IntN(limit)})
			b.traces = append(b.traces, record{})
		}
		i := b.rng.IntN(len(*pool))
		o := &(*pool)[i]
		want = min(want, o.left)
		rec := &b.traces[o.trace-1]
		t.runs = append(t.runs, run{o.trace, uint32(len(rec.acked)), uint32(want)})
		rec.acked = append(rec.acked, make([]bool, want)...)
		for range want {
			rec.request = append(rec.request, t.number)
		}
		o.left -= want
		n -= want
		if o.left == 0 {
			*pool = append((*pool)[:i], (*pool)[i+1:]...)
		}
	}
	b.sent += int64(t.spans)
	return t
}

// trying counts one sending of a batch. It is called before the first byte leaves.
func (b *book) trying(t batch) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.tries += int64(t.spans)
	if t.tried {
		b.again[t.number]++
	}
}

// answered notes how a request ended; status 0 says that there was none.
func (b *book) answered(t batch, status int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.answers[status]++
	if status != 200 || b.frozen {
		return
	}
	b.acked += int64(t.spans)
	for _, r := range t.runs {
		acked := b.traces[r.trace-1].acked
		for i := r.from; i < r.from+r.spans; i++ {
			acked[i] = true
		}
	}
}

func (b *book) noAnswer(why error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.unanswered) < 10 {
		b.unanswered = append(b.unanswered, why.Error())
	}
}

func (b *book) complain(what string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.wrong) < 10 {
		b.wrong = append(b.wrong, what)
	}
}
