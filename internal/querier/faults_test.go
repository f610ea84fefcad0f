package querier

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"appliance/internal/block"
	"appliance/internal/readapi"
	"appliance/internal/traceql"
)

// settled is a world with spans in merged and small blocks and in none.
func settled(t *testing.T, seed uint64) *world {
	w := newWorld(t, seed)
	for range 8 {
		for range 3 {
			w.append(w.spans.record(t))
		}
		time.Sleep(20 * time.Second)
		synctest.Wait()
	}
	for range 3 {
		w.append(w.spans.record(t))
	}
	synctest.Wait()
	return w
}

// search asks everything, and what is missing is not a fault.
func (w *world) search(text string, opts ...func(*Options)) *readapi.SearchAnswer {
	w.t.Helper()
	q, err := traceql.Parse(text)
	if err != nil {
		w.t.Fatal(err)
	}
	o := w.querier.opt
	for _, opt := range opts {
		opt(&o)
	}
	querier := New(o)
	defer querier.Close()
	got, err := querier.Search(w.t.Context(), readapi.SearchRequest{Tenant: "t", Query: q, Limit: 400}, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	return got
}

// everything is what a query finds in all that was appended.
func (w *world) everything(text string) []string {
	w.t.Helper()
	q, err := traceql.Parse(text)
	if err != nil {
		w.t.Fatal(err)
	}
	return searchBatches(w.t, q, memoryOf(w.t, w.records...))
}

func (w *world) expectAll(got *readapi.SearchAnswer, text string) {
	w.t.Helper()
	if found, want := describeFound(got.Traces), w.everything(text); !slices.Equal(found, want) || len(got.Missing) > 0 {
		w.t.Errorf("%s: %s\nwant %v\ngot  %v, missing %v", w.places(), text, want, found, got.Missing)
	}
}

// hookedArchive calls before each list.
type hookedArchive struct {
	*dirArchive
	before, after func()
}

func (a hookedArchive) Blocks(ctx context.Context, tenant string, after time.Time) ([]*ArchivedBlock, readapi.Missing, error) {
	a.before()
	blocks, missing, err := a.dirArchive.Blocks(ctx, tenant, after)
	a.after()
	return blocks, missing, err
}

// A block that is archived and deleted while a query looks for its units is in
// the answer once, whenever that happens.
func TestABlockThatIsArchivedUnderAQuery(t *testing.T) {
	nothing := func() {}
	for name, when := range map[string]func(w *world, a *hookedArchive){
		"before the view": func(w *world, _ *hookedArchive) { w.archiveSome(0, 3) },
		"before the list": func(w *world, a *hookedArchive) { a.before = func() { w.archiveSome(0, 1) } },
		"after the list":  func(w *world, a *hookedArchive) { a.after = func() { w.archiveSome(0, 1) } },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := settled(t, 2)
				defer w.stop()
				for _, text := range []string{"{}", "{} | count() > 1", "{} >> {}"} {
					w.expectAll(w.search(text), text) // makes a list, which is as new as can be
					a := hookedArchive{w.archive, nothing, nothing}
					when(w, &a)
					q, err := traceql.Parse(text)
					if err != nil {
						t.Fatal(err)
					}
					w.querier.opt.Archive = &a
					got, err := w.querier.Search(t.Context(), readapi.SearchRequest{Tenant: "t", Query: q, Limit: 400}, nil)
					w.querier.opt.Archive = w.archive
					if err != nil {
						t.Fatal(err)
					}
					w.expectAll(got, text)
				}
			})
		})
	}
}

// What a query has found units of is not deleted before it has read them.
func TestABlockThatIsDeletedUnderAQuery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := settled(t, 3)
		defer w.stop()
		q, err := traceql.Parse("{}")
		if err != nil {
			t.Fatal(err)
		}
		want := w.everything("{}")
		got, err := w.querier.Search(t.Context(), readapi.SearchRequest{Tenant: "t", Query: q, Limit: 400}, func([]*traceql.FoundTrace) error {
			v := w.store.View("t")
			defer v.Close()
			for _, b := range v.Blocks {
				w.store.Delete("t", b.Meta.BlockID)
			}
			return nil
		})
		if err != nil || len(got.Missing) > 0 || !slices.Equal(describeFound(got.Traces), want) {
			t.Errorf("want %v, got %v, %v", want, got, err)
		}
	})
}

// A block that is damaged costs only itself, and is named.
func TestADamagedBlockIsNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := settled(t, 4)
		defer w.stop()
		w.archiveSome(0, 2)
		w.archive.mu.Lock()
		bad := w.archive.blocks[0].ID.String()
		w.archive.mu.Unlock()
		for _, damage := range []func(string) error{
			func(file string) error { return os.WriteFile(file, []byte("not parquet"), 0o600) },
			func(file string) error {
				data, err := os.ReadFile(file)
				if err != nil {
					return err
				}
				clear(data[4 : len(data)/2])
				return os.WriteFile(file, data, 0o600)
			},
			os.Remove,
		} {
			file := filepath.Join(w.archive.dir, bad, block.DataName)
			whole, err := os.ReadFile(file)
			if err == nil {
				err = damage(file)
			}
			if err != nil {
				t.Fatal(err)
			}
			for _, text := range []string{"{}", "{} | count() > 0"} {
				got := w.search(text)
				if len(got.Traces) == 0 || len(got.Missing) == 0 || !strings.Contains(got.Missing[0], bad) {
					t.Errorf("%s: %d traces, missing %v", text, len(got.Traces), got.Missing)
				}
			}
			if err := os.WriteFile(file, whole, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		w.expectAll(w.search("{}"), "{}")
	})
}

// A query beyond its bounds answers with what it has, and says why.
func TestOverTheBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := settled(t, 5)
		defer w.stop()
		w.archiveSome(0, 1)
		for name, c := range map[string]struct {
			bound func(*Options)
			why   string
		}{
			"memory": {func(o *Options) { o.Memory = 100 }, "bytes of memory"},
			"bytes":  {func(o *Options) { o.Bytes = 100 }, "reads more than"},
			"time":   {func(o *Options) { o.Timeout = -1 }, "time"},
		} {
			for _, text := range []string{"{}", "{ span.a > 0 } >> { name =~ `.*` }", "{ .a ^ 99999999999 = 1 || .b =~ `(a*)*b` }"} {
				got := w.search(text, c.bound)
				if len(got.Missing) == 0 || !strings.Contains(strings.Join(got.Missing, " "), c.why) {
					t.Errorf("%s: %s: %d traces, missing %v", name, text, len(got.Traces), got.Missing)
				}
			}
		}
	})
}

// A client that leaves ends its query.
func TestACancelledQueryEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := settled(t, 6)
		defer w.stop()
		ctx, cancel := context.WithCancel(t.Context())
		_, err := w.querier.Search(ctx, readapi.SearchRequest{Tenant: "t", Limit: 100}, func([]*traceql.FoundTrace) error {
			cancel()
			return nil
		})
		if !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		left := errors.New("left")
		_, err = w.querier.Search(t.Context(), readapi.SearchRequest{Tenant: "t", Limit: 100}, func([]*traceql.FoundTrace) error { return left })
		if !errors.Is(err, left) {
			t.Error(err)
		}
	})
}

// A span is found as soon as it is kept.
func TestASpanIsFoundAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 7)
		defer w.stop()
		for range 20 {
			w.append(w.spans.record(t))
			synctest.Wait() // no time passes
			w.checkTraces(w.spans.Rand)
			w.expectAll(w.search("{}"), "{}")
		}
	})
}

// TestManyAtOnce is for the race detector: questions of all kinds while spans
// come and go.
func TestManyAtOnce(t *testing.T) {
	w := newWorld(t, 8)
	defer w.stop()
	for range 40 {
		w.append(w.spans.record(t))
	}
	q := w.querier
	var wg sync.WaitGroup
	for n := range 8 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(n), 3))
			for range 10 {
				query, err := traceql.Parse(randomQuery(r))
				if err != nil {
					continue
				}
				if _, err := q.Search(t.Context(), readapi.SearchRequest{Tenant: "t", Query: query, Limit: 5}, nil); err != nil {
					t.Error(err)
				}
				if _, err := q.Trace(t.Context(), readapi.TraceRequest{Tenant: "t", ID: traceID{1}}); err != nil {
					t.Error(err)
				}
				if _, err := q.Tags(t.Context(), readapi.TagsRequest{Tenant: "t"}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for range 40 {
		w.append(w.spans.record(t))
	}
	wg.Wait()
	if err := w.store.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.expectAll(w.search("{}"), "{}")
}

// A span whose clock is broken hides neither itself nor what is in one unit with
// it: in no block yet, in the store, in the archive.
func TestABrokenClockHidesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 21)
		defer w.stop()
		ids, now := map[string]traceID{}, uint64(time.Now().UnixNano())
		for i, start := range []uint64{1, 1_700_000_000_000, 1<<63 - 1e9, 1 << 63, 1<<64 - 2, now} {
			td := ptrace.NewTraces()
			s := td.ResourceSpans().AppendEmpty().ScopeSpans().AppendEmpty().Spans().AppendEmpty()
			id := traceID{0xc1, byte(i)}
			s.SetTraceID(pcommon.TraceID(id))
			s.SetSpanID(pcommon.SpanID{1, byte(i)})
			s.SetStartTimestamp(pcommon.Timestamp(start))
			s.SetEndTimestamp(pcommon.Timestamp(start + 1))
			ids[fmt.Sprint(start)] = id
			body, err := (&ptrace.ProtoMarshaler{}).MarshalTraces(td)
			if err != nil {
				t.Fatal(err)
			}
			w.append(body)
		}
		found := func(when string) {
			t.Helper()
			for start, id := range ids {
				got, err := w.querier.Trace(t.Context(), readapi.TraceRequest{Tenant: "t", ID: id})
				if err != nil || got.Trace == nil {
					t.Errorf("%s, a span that starts at %s: %v, %v", when, start, got, err)
				}
			}
			q, err := traceql.Parse("{}")
			if err != nil {
				t.Fatal(err)
			}
			around := readapi.Range{Start: uint32(now/1e9 - 60), End: uint32(now/1e9 + 60)}
			all, err := w.querier.Search(t.Context(), readapi.SearchRequest{Tenant: "t", Query: q, Range: around, Limit: 100}, nil)
			if err != nil || len(all.Traces) != 1 {
				t.Errorf("%s, a search around now: %v, %v", when, all, err)
			}
		}
		synctest.Wait()
		found("live " + w.places())
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		found("stored " + w.places())
		w.archiveSome(0, 100)
		found("archived " + w.places())
	})
}
