package oracle

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/grafana/tempo/pkg/tempopb"

	"appliance/e2e/internal/harness"
)

// Reader reads a trace by its id, 32 hexadecimal digits. harness.ErrNotFound says that there is none.
type Reader func(ctx context.Context, id string) (*tempopb.Trace, error)

// Verdict is what a reading of everything gave, in spans.
type Verdict struct {
	Traces     int
	Sent       int64 // different spans
	Acked      int64 // of them answered 200, each counted once
	Found      int64 // of the acked
	Extra      int64 // of those that were not answered 200, found nevertheless
	Missing    int64
	Corrupted  int64
	Invented   int64
	Duplicated int64

	// MissingOf counts what is missing by the number of the request that it was last sent in.
	MissingOf map[uint32]int64
	Examples  []string // of what is wrong
	Took      time.Duration
}

// Clean says that nothing is missing, corrupted or invented.
func (v Verdict) Clean() bool { return v.Missing == 0 && v.Corrupted == 0 && v.Invented == 0 }

func (v Verdict) String() string {
	return fmt.Sprintf("%d traces, %d spans sent, %d answered 200, of which found %d, missing %d, corrupted %d, invented %d, duplicated %d; found of those not answered 200: %d; read in %.1f s",
		v.Traces, v.Sent, v.Acked, v.Found, v.Missing, v.Corrupted, v.Invented, v.Duplicated, v.Extra, v.Took.Seconds())
}

// finding is what one reading of one trace gave.
type finding struct {
	trace                                    uint64
	acked, found, extra                      int64
	missing, corrupted, invented, duplicated int64
	missingOf                                []uint32
	examples                                 []string
	err                                      error
}

const readers = 4

// Judge reads every trace that was sent to, again and again while something is missing, until patience ends. No load may be running.
func (o *Oracle) Judge(ctx context.Context, read Reader, patience time.Duration) (Verdict, error) {
	began := time.Now()
	o.book.mu.Lock()
	v := Verdict{Traces: len(o.book.traces), Sent: o.book.sent, MissingOf: map[uint32]int64{}}
	o.book.mu.Unlock()
	todo := make([]uint64, v.Traces)
	for i := range todo {
		todo[i] = uint64(i) + 1
	}
	deadline := began.Add(patience)
	for {
		incomplete := todo[:0:0]
		for _, f := range o.readAll(ctx, read, todo) {
			if (f.missing > 0 || f.err != nil) && time.Now().Before(deadline) && ctx.Err() == nil {
				incomplete = append(incomplete, f.trace)
				continue
			}
			if f.err != nil {
				return v, fmt.Errorf("read trace %d of %d: %w", f.trace, v.Traces, f.err)
			}
			v.add(f)
		}
		if todo = incomplete; len(todo) == 0 {
			break
		}
		pause(ctx, 500*time.Millisecond)
	}
	v.Took = time.Since(began)
	return v, ctx.Err()
}

func (v *Verdict) add(f finding) {
	v.Acked += f.acked
	v.Found += f.found
	v.Extra += f.extra
	v.Missing += f.missing
	v.Corrupted += f.corrupted
	v.Invented += f.invented
	v.Duplicated += f.duplicated
	for _, n := range f.missingOf {
		v.MissingOf[n]++
	}
	if len(v.Examples) < 10 {
		v.Examples = append(v.Examples, f.examples...)
	}
}

func (o *Oracle) readAll(ctx context.Context, read Reader, traces []uint64) []finding {
	findings := make([]finding, len(traces))
	next := make(chan int)
	var all sync.WaitGroup
	for range min(readers, len(traces)) {
		all.Go(func() {
			for i := range next {
				findings[i] = o.readOne(ctx, read, traces[i])
			}
		})
	}
	for i := range traces {
		next <- i
	}
	close(next)
	all.Wait()
	return findings
}

func (o *Oracle) readOne(ctx context.Context, read Reader, number uint64) finding {
	f := finding{trace: number}
	id := o.f.traceID(number)
	got, err := read(ctx, hex.EncodeToString(id[:]))
	if err != nil && !errors.Is(err, harness.ErrNotFound) {
		f.err = err
		return f
	}
	o.book.mu.Lock()
	rec := o.book.traces[number-1] // nothing is added to it while no load is running
	o.book.mu.Unlock()
	seen := make([]uint8, len(rec.acked))
	for _, rs := range got.GetResourceSpans() {
		service := serviceOf(rs)
		for _, ss := range rs.ScopeSpans {
			for _, s := range ss.Spans {
				index, ok := o.f.indexOf(number, s.SpanId)
				if !ok || int(index) >= len(seen) {
					f.invented++
					f.examples = append(f.examples, fmt.Sprintf("trace %x: span %x was never sent", id, s.SpanId))
					continue
				}
				if seen[index]++; seen[index] == 2 {
					f.duplicated++
				}
				if err := o.f.check(place{number, index}, service, s); err != nil {
					f.corrupted++
					f.examples = append(f.examples, fmt.Sprintf("trace %x: span %d: %v", id, index, err))
				}
			}
		}
	}
	for i, acked := range rec.acked {
		switch {
		case acked && seen[i] > 0:
			f.acked++
			f.found++
		case acked:
			f.acked++
			f.missing++
			f.missingOf = append(f.missingOf, rec.request[i])
		case seen[i] > 0:
			f.extra++
		}
	}
	if f.missing > 0 {
		f.examples = append(f.examples, fmt.Sprintf("trace %x: %d of %d spans answered 200 are missing", id, f.missing, f.acked))
	}
	return f
}
