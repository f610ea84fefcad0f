package oracle

import (
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Tail is an Oracle for tail sampling: it knows what the rules have to do with
// each trace. The spans of a trace come in several requests, in any order, some
// after the verdict; some requests are sent again as they were since the client
// has not waited for its answer, and some spans are sent again with others.
type Tail struct {
	f      formula
	target atomic.Pointer[string]

	mu      sync.Mutex
	rng     *rand.Rand
	loads   []*TailLoad
	traces  []whole
	queue   []part
	terms   []term
	frozen  bool
	tried   int64
	acked   int64
	answers map[int]int64
	wrong   []string
}

// whole is what became of the spans of a trace, by their index.
type whole [][]sending

// sending is one time that a span was sent.
type sending struct {
	from  time.Time
	acked time.Time // zero: it was not answered 200
}

// part is spans that are sent in one request, not before their time.
type part struct {
	due    time.Time
	places []place
}

// term is for how long rules may be in force.
type term struct {
	rules       Rules
	from, until time.Time // until zero: still
}

// NewTail makes an oracle whose spans have a text attribute of up to textBytes.
func NewTail(t testing.TB, textBytes int) *Tail {
	t.Helper()
	seed := rand.Uint64()
	w := &Tail{
		f:   formula{seed: seed, epoch: time.Now().Truncate(time.Second), textBytes: textBytes},
		rng: rand.New(rand.NewPCG(seed, 2)), answers: map[int]int64{},
	}
	t.Cleanup(w.StopAll)
	return w
}

// Target is the URL that requests go to from now on.
func (w *Tail) Target(url string) { w.target.Store(&url) }

// Rules may be in force from now on, beside those of before until Settled.
func (w *Tail) Rules(rs Rules) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.terms = append(w.terms, term{rules: rs, from: time.Now()})
}

// Settled says that no rules but the last ones decide any more.
func (w *Tail) Settled() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range w.terms[:len(w.terms)-1] {
		if w.terms[i].until.IsZero() {
			w.terms[i].until = time.Now()
		}
	}
}

// Freeze lets no answer count from now on, until Thaw.
func (w *Tail) Freeze() { w.setFrozen(true) }

// Thaw lets answers count again.
func (w *Tail) Thaw() { w.setFrozen(false) }

func (w *Tail) setFrozen(frozen bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.frozen = frozen
}

// Counts are as an Oracle's. Sent is of all traces that were begun.
func (w *Tail) Counts() Counts {
	w.mu.Lock()
	defer w.mu.Unlock()
	c := Counts{Acked: w.acked, Tried: w.tried, Answers: maps.Clone(w.answers), Wrong: slices.Clone(w.wrong)}
	for _, spans := range w.traces {
		c.Sent += int64(len(spans))
	}
	return c
}

// facts are those of a trace when all its spans are there.
func (w *Tail) facts(trace uint64) fact {
	return [...]fact{failed, slow, ping, failed | ping, slow | ping, failed | slow, nothing, nothing, nothing}[w.hash(trace)%9]
}

// spans is how many a trace has.
func (w *Tail) spans(trace uint64) int {
	h := w.hash(trace)
	if h>>16%50 == 0 {
		return 50 + int(h>>24%200)
	}
	return 1 + int(h>>8%8)
}

func (w *Tail) hash(trace uint64) uint64 { return mix(w.f.seed + trace*3) }

// factOf are the facts of which a span is the one that they come of.
func (w *Tail) factOf(p place) (facts fact) {
	n := uint64(w.spans(p.trace))
	for i, f := range [...]fact{failed, slow, ping} {
		if uint64(p.index) == w.hash(p.trace)>>(32+8*i)%n {
			facts |= f
		}
	}
	return facts & w.facts(p.trace)
}

// span is what a place says.
func (w *Tail) span(p place) content {
	c := w.f.span(p)
	c.status, c.message, c.end = 0, "", c.start+1000
	c.number = int64(p.trace)
	facts := w.factOf(p)
	if facts&failed != 0 {
		c.status, c.message = 2, "broken"
	}
	if facts&slow != 0 {
		c.end = c.start + uint64(5*time.Second)
	}
	if facts&ping != 0 {
		c.name = "GET /ping"
	}
	return c
}

// begin queues the spans of another trace.
func (w *Tail) begin(now time.Time) {
	w.traces = append(w.traces, nil)
	trace := uint64(len(w.traces))
	n := w.spans(trace)
	w.traces[trace-1] = make(whole, n)
	after := func(most time.Duration) time.Time { return now.Add(time.Duration(w.rng.Int64N(int64(most)))) }
	most := [...]time.Duration{300 * time.Millisecond, 2 * time.Second, 9 * time.Second}[w.rng.IntN(3)]
	due := now
	for order := w.rng.Perm(n); len(order) > 0; {
		p := part{due: due}
		for _, i := range order[:1+w.rng.IntN(min(len(order), 20))] {
			p.places = append(p.places, place{trace, uint32(i)})
		}
		order = order[len(p.places):]
		w.queue = append(w.queue, p)
		if w.rng.IntN(5) == 0 {
			w.queue = append(w.queue, part{after(12 * time.Second), p.places[:1+w.rng.IntN(len(p.places))]})
		}
		due = after(most)
	}
}

// take takes about so many spans that are due, in any order.
func (w *Tail) take(want int) (places []place) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	w.rng.Shuffle(len(w.queue), func(i, j int) { w.queue[i], w.queue[j] = w.queue[j], w.queue[i] })
	for {
		w.queue = slices.DeleteFunc(w.queue, func(p part) bool {
			if p.due.After(now) || len(places) >= want {
				return false
			}
			places = append(places, p.places...)
			return true
		})
		if len(places) >= want {
			w.rng.Shuffle(len(places), func(i, j int) { places[i], places[j] = places[j], places[i] })
			return places
		}
		w.begin(now)
	}
}

// sends notes that spans are sent now; answered takes what it returns.
func (w *Tail) sends(places []place) []int {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.tried += int64(len(places))
	times := make([]int, len(places))
	for i, p := range places {
		of := &w.traces[p.trace-1][p.index]
		times[i] = len(*of)
		*of = append(*of, sending{from: time.Now()})
	}
	return times
}

// answered notes how a request ended; status 0 says that there was none.
func (w *Tail) answered(places []place, times []int, status int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.answers[status]++
	if status != 200 || w.frozen {
		return
	}
	w.acked += int64(len(places))
	for i, p := range places {
		w.traces[p.trace-1][p.index][times[i]].acked = time.Now()
	}
}

func (w *Tail) complain(what string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.wrong) < 10 {
		w.wrong = append(w.wrong, what)
	}
}
