package querier

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"appliance/internal/lowprio"
	"appliance/internal/readapi"
	"appliance/internal/traceql"
)

// hangingArchive has blocks of which nothing can be read before ctx ends, while
// hangs is set.
type hangingArchive struct {
	*dirArchive
	hangs *atomic.Bool
}

func (a hangingArchive) Source(_ string, b *ArchivedBlock) Source {
	return hanging{a.dirArchive.Source("", b), a.hangs}
}

type hanging struct {
	Source
	hangs *atomic.Bool
}

func (h hanging) ReadAt(ctx context.Context, name string, p []byte, off int64) (int, error) {
	if h.hangs.Load() {
		<-ctx.Done()
		return 0, ctx.Err()
	}
	return h.Source.ReadAt(ctx, name, p, off)
}

func (h hanging) Size(ctx context.Context, name string) (int64, error) {
	if h.hangs.Load() {
		<-ctx.Done()
		return 0, ctx.Err()
	}
	return h.Source.Size(ctx, name)
}

// Queries that wait for the archive leave their turn to others: for identifiers,
// for columns, for traces by id, and for what another query reads.
func TestAnArchiveThatHangsHoldsNoTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := settled(t, 25)
		defer w.stop()
		w.archiveSome(0, 3)
		hangs := &atomic.Bool{}
		w.querier.opt.Archive = hangingArchive{w.archive, hangs}
		for _, known := range []bool{false, true} { // whether footers were read before
			for _, text := range []string{"{}", "{ span.a > 0 }", "{} >> {}", "{} | count() > 1"} {
				hangs.Store(false)
				time.Sleep(5 * time.Minute) // what was open is closed
				synctest.Wait()
				if known {
					w.expectAll(w.ask(text), text)
				}
				hangs.Store(true)
				var asked sync.WaitGroup
				for range w.querier.threads {
					asked.Go(func() {
						if got := w.ask(text); len(got.Missing) == 0 {
							t.Errorf("%s: nothing is missing", text)
						}
					})
				}
				synctest.Wait()
				time.Sleep(time.Second)
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				ran := false
				if err := w.querier.Later(ctx, func() { ran = true }); err != nil || !ran {
					t.Errorf("%s, footers known: %v: another query has no turn: %v", text, known, err)
				}
				cancel()
				asked.Wait()
			}
		}
	})
}

// slowArchive has blocks that take time to read.
type slowArchive struct{ *dirArchive }

func (a slowArchive) Source(_ string, b *ArchivedBlock) Source {
	return slow{a.dirArchive.Source("", b)}
}

type slow struct{ Source }

func (s slow) ReadAt(ctx context.Context, name string, p []byte, off int64) (int, error) {
	time.Sleep(20 * time.Millisecond)
	return s.Source.ReadAt(ctx, name, p, off)
}

// Queries that give up their turns and want them back do not wait for each other
// without an end, however many threads there are, and answer as ever.
func TestManyQueriesOfASlowArchive(t *testing.T) {
	for threads := 1; threads <= 4; threads++ {
		synctest.Test(t, func(t *testing.T) {
			w := settled(t, 26)
			defer w.stop()
			w.archiveSome(0, 100)
			q := w.querier
			q.opt.Archive = slowArchive{w.archive}
			q.low.Close()
			q.threads, q.low = threads, lowprio.New(threads)
			q.opened.low = q.low
			series := func(text string) string {
				query, err := traceql.Parse(text)
				if err != nil {
					t.Fatal(err)
				}
				got, err := q.Metrics(t.Context(), readapi.MetricsRequest{
					Tenant: "t", Query: query, Start: w.spans.start, End: w.spans.start + 600*second, Step: time.Minute,
				})
				if err != nil || len(got.Missing) > 0 {
					t.Errorf("%s: %v, %v", text, got, err)
					return ""
				}
				return strings.Join(describeSeries(got.Series), "\n")
			}
			texts := []string{
				"{} | rate() by (name)", "{} | compare({ status = error })", "{} | max_over_time(duration) by (span.a)", "{} >> {} | rate()",
			}
			want := map[string]string{}
			for _, text := range texts {
				want[text] = series(text)
			}
			time.Sleep(5 * time.Minute) // what was open is closed
			synctest.Wait()
			var all sync.WaitGroup
			for range 3 {
				for _, text := range texts {
					all.Go(func() {
						if got := series(text); got != want[text] {
							t.Errorf("%d threads: %s: %s\nwant %s", threads, text, got, want[text])
						}
					})
				}
				for _, text := range []string{"{}", "{} >> {}"} {
					all.Go(func() { w.expectAll(w.ask(text), text) })
				}
			}
			all.Wait()
		})
	}
}

// ask searches with the world's own querier.
func (w *world) ask(text string) *readapi.SearchAnswer {
	w.t.Helper()
	q, err := traceql.Parse(text)
	if err != nil {
		w.t.Fatal(err)
	}
	got, err := w.querier.Search(w.t.Context(), readapi.SearchRequest{Tenant: "t", Query: q, Limit: 400}, nil)
	if err != nil {
		w.t.Error(err)
		return &readapi.SearchAnswer{}
	}
	return got
}

// An archive that does not answer costs a trace by id what is in the archive.
func TestATraceWhoseArchiveHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 22)
		defer w.stop()
		id := everywhere(t, w)
		ask := func() *readapi.TraceAnswer {
			t.Helper()
			got, err := w.querier.Trace(t.Context(), readapi.TraceRequest{Tenant: "t", ID: id})
			if err != nil {
				t.Fatal(err)
			}
			return got
		}
		if got := ask(); spanCount(got.Trace) != 3 || len(got.Missing) > 0 {
			t.Fatalf("%s: %d spans, missing %v", w.places(), spanCount(got.Trace), got.Missing)
		}
		w.querier.opt.Archive = hangingArchive{w.archive, &atomic.Bool{}}
		w.querier.opt.Archive.(hangingArchive).hangs.Store(true)
		time.Sleep(5 * time.Minute) // what was open is closed
		w.append(oneSpan(t, id, 9, 0))
		synctest.Wait()
		if got := ask(); spanCount(got.Trace) != 3 || !strings.Contains(strings.Join(got.Missing, " "), "time") {
			t.Errorf("%s: %d spans, missing %v", w.places(), spanCount(got.Trace), got.Missing)
		}
	})
}
