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

// Oracle sends, remembers and judges. One Oracle may outlive many appliances.
type Oracle struct {
	f      formula
	book   *book
	target atomic.Pointer[string]

	mu    sync.Mutex
	loads []*Load
	// indices of traces in which JudgeBlocks saw what was never sent; Judge reads them too
	suspects []int
}

// New makes an oracle whose spans have a text attribute of up to textBytes.
func New(t testing.TB, textBytes int) *Oracle {
	t.Helper()
	seed := rand.Uint64()
	o := &Oracle{f: formula{seed: seed, epoch: time.Now().Truncate(time.Second), textBytes: textBytes}, book: newBook(seed)}
	t.Cleanup(o.StopAll)
	return o
}

// Target is the URL that requests go to from now on.
func (o *Oracle) Target(url string) { o.target.Store(&url) }

// Freeze lets no answer count from now on, until Thaw: those who get it are beyond a power cut.
func (o *Oracle) Freeze() { o.setFrozen(true) }

// Thaw lets answers count again.
func (o *Oracle) Thaw() { o.setFrozen(false) }

func (o *Oracle) setFrozen(frozen bool) {
	o.book.mu.Lock()
	defer o.book.mu.Unlock()
	o.book.frozen = frozen
}

// Counts is what the clients know. Acked counts a span once for each time that
// a request with it was answered 200; while frozen nothing is.
type Counts struct {
	Sent    int64         // different spans
	Acked   int64         // spans of requests answered 200
	Tried   int64         // spans of all requests, those sent again as often as they were
	Answers map[int]int64 // requests by status, 0 for none
	Wrong   []string      // answers that no client should get
	Silence []string      // why there was no answer, the first ten times
}

// Counts are those of now.
func (o *Oracle) Counts() Counts {
	b := o.book
	b.mu.Lock()
	defer b.mu.Unlock()
	return Counts{Sent: b.sent, Acked: b.acked, Tried: b.tries, Answers: maps.Clone(b.answers), Wrong: slices.Clone(b.wrong), Silence: slices.Clone(b.unanswered)}
}
