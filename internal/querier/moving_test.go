package querier

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"appliance/internal/block"
	"appliance/internal/blockstore"
	"appliance/internal/otlpwire"
	"appliance/internal/readapi"
	"appliance/internal/spool"
	"appliance/internal/traceql"
	"appliance/internal/traceql/querytest"
)

// dirArchive is a directory with copies of blocks.
type dirArchive struct {
	mu     sync.Mutex
	dir    string
	blocks []*ArchivedBlock
	// listed is as of a time, for as long as nobody asks for a newer.
	listed []*ArchivedBlock
	asOf   time.Time
}

func (a *dirArchive) Blocks(_ context.Context, _ string, after time.Time) ([]*ArchivedBlock, readapi.Missing, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.asOf.After(after) || time.Since(a.asOf) > time.Second {
		a.listed, a.asOf = slices.Clone(a.blocks), time.Now()
	}
	return a.listed, nil, nil
}

func (a *dirArchive) Source(_ string, b *ArchivedBlock) Source {
	return block.OpenDir(filepath.Join(a.dir, b.ID.String()))
}

func (a *dirArchive) Pruned(_ context.Context, _ string, b *ArchivedBlock) bool {
	_, err := os.Stat(filepath.Join(a.dir, b.ID.String(), block.MetaName))
	return err != nil
}

// take copies a block of the store.
func (a *dirArchive) take(t testing.TB, b *blockstore.Block) {
	t.Helper()
	if err := os.CopyFS(filepath.Join(a.dir, b.Meta.BlockID), os.DirFS(b.Dir)); err != nil {
		t.Fatal(err)
	}
	a.add(b.Meta)
}

func (a *dirArchive) add(m block.Meta) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.blocks = append(a.blocks, &ArchivedBlock{ID: uuid.MustParse(m.BlockID), Start: m.StartTime.Unix(), End: m.EndTime.Unix()})
}

// world is a store at work, an archive, and what was put into them.
type world struct {
	t       testing.TB
	spool   *spool.Spool
	store   *blockstore.Store
	archive *dirArchive
	querier *Querier
	spans   *spanMaker
	records [][]byte
	stop    func()
}

func newWorld(t testing.TB, seed uint64) *world {
	return worldOf(t, seed, blockstore.Options{CutAfter: 5 * time.Second, MergeAfter: time.Minute})
}

func worldOf(t testing.TB, seed uint64, o blockstore.Options) *world {
	t.Helper()
	dir := t.TempDir()
	sp, err := spool.Open(filepath.Join(dir, "spool"), spool.Options{NoSpare: true, SegmentBytes: 16 << 10})
	if err != nil {
		t.Fatal(err)
	}
	o.Dir, o.Spool = filepath.Join(dir, "blocks"), sp
	store, err := blockstore.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, spool: sp, store: store, archive: &dirArchive{dir: filepath.Join(dir, "archive")}}
	w.spans = &spanMaker{Rand: rand.New(rand.NewPCG(seed, 7)), start: time.Now().UnixNano() / second * second}
	w.querier = New(Options{Store: store, Archive: w.archive})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- store.Run(ctx) }()
	w.stop = func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		w.querier.Close()
		if err := sp.Close(); err != nil {
			t.Error(err)
		}
	}
	return w
}

func (w *world) append(payload []byte) {
	w.t.Helper()
	n, err := new(otlpwire.Limits).Walk(payload, func(*otlpwire.Span) {})
	if err != nil || n.Kept == 0 {
		w.t.Fatal(n, err)
	}
	if _, err := w.spool.Append(spool.Record{Tenant: "t", Spans: n.Kept, Time: time.Now(), Payload: payload}); err != nil {
		w.t.Fatal(err)
	}
	w.records = append(w.records, payload)
}

// archiveSome moves up to n blocks of a level, or a higher one, to the archive.
func (w *world) archiveSome(level int, n int) {
	v := w.store.View("t")
	defer v.Close()
	for _, b := range v.Blocks {
		if n > 0 && b.Meta.CompactionLevel >= level {
			w.archive.take(w.t, b)
			if w.store.Delete("t", b.Meta.BlockID) {
				n--
			}
		}
	}
}

// places says in how many live parts, small, merged and archived blocks there
// are spans.
func (w *world) places() string {
	v := w.store.View("t")
	defer v.Close()
	levels := [2]int{}
	for _, b := range v.Blocks {
		levels[min(b.Meta.CompactionLevel, 1)]++
	}
	return fmt.Sprintf("%d live parts, %d small and %d merged blocks, %d archived", len(v.Live), levels[0], levels[1], len(w.archive.blocks))
}

// check asks random questions, and compares the answers with those over all that
// was appended.
func (w *world) check(r *rand.Rand, questions int) (found int) {
	w.t.Helper()
	all := memoryOf(w.t, w.records...)
	for range questions {
		text := randomQuery(r)
		q, err := traceql.Parse(text)
		if err != nil {
			continue
		}
		want := searchBatches(w.t, q, all)
		got, err := w.querier.Search(w.t.Context(), readapi.SearchRequest{Tenant: "t", Query: q, Limit: []int{400, 10_000}[r.IntN(2)]}, nil)
		if err != nil || len(got.Missing) > 0 {
			w.t.Fatalf("%s: %s: %v %v", w.places(), text, err, got)
		}
		if found := describeFound(got.Traces); !slices.Equal(want, found) {
			w.t.Fatalf("%s: %s\nwant %v\ngot  %v", w.places(), text, want, found)
		}
		found += min(1, len(want))
	}
	w.checkMetrics(r, all)
	w.checkTags(r, all)
	w.checkTraces(r)
	w.checkLimit(r, all)
	return found
}

func (w *world) checkMetrics(r *rand.Rand, all traceql.Batch) {
	w.t.Helper()
	m := querytest.Maker{Rand: r}
	for range 5 {
		text := randomQuery(r) + " | " + m.Pick("rate()", "count_over_time() by (resource.service.name)", "max_over_time(duration) by (name)",
			"quantile_over_time(duration, .5)", "sum_over_time(span.a) by (rootName)", "compare({ status = error })")
		q, err := traceql.Parse(text)
		if err != nil {
			continue
		}
		start, end := w.spans.start+int64(r.IntN(20))*second, w.spans.start+int64(30+r.IntN(60))*second
		step := int64(1+r.IntN(20)) * second
		want, err := traceql.NewMetrics(q, traceql.MetricsOptions{Start: uint64(start), End: uint64(end), Step: uint64(step)})
		if err != nil {
			w.t.Fatal(err)
		}
		if err := want.Add(w.t.Context(), all); err != nil {
			w.t.Fatal(err)
		}
		series, _ := want.Series()
		got, err := w.querier.Metrics(w.t.Context(), readapi.MetricsRequest{Tenant: "t", Query: q, Start: start, End: end, Step: time.Duration(step)})
		if err != nil || len(got.Missing) > 0 {
			w.t.Fatalf("%s: %s: %v %v", w.places(), text, err, got)
		}
		if a, b := describeSeries(series), describeSeries(got.Series); !slices.Equal(a, b) {
			w.t.Fatalf("%s: %s\nwant %v\ngot  %v", w.places(), text, a, b)
		}
	}
}

func describeSeries(series []traceql.MetricSeries) []string {
	var out []string
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

func (w *world) checkTags(r *rand.Rand, all traceql.Batch) {
	w.t.Helper()
	var query *traceql.Query
	if r.IntN(2) == 0 {
		query = traceql.ParseTagFilter(querytest.Maker{Rand: r}.Filter())
	}
	names, err := traceql.NewTagNames(query, traceql.ScopeNone, 0)
	if err == nil {
		err = names.Add(w.t.Context(), all)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	want, _ := names.Names()
	got, err := w.querier.Tags(w.t.Context(), readapi.TagsRequest{Tenant: "t", Query: query})
	if err != nil || len(got.Missing) > 0 || fmt.Sprint(want) != fmt.Sprint(got.Keys) {
		w.t.Fatalf("%s: tags of %v: want %v, got %v %v", w.places(), query, want, got, err)
	}
	attr, err := traceql.ParseTag(querytest.Maker{Rand: r}.Pick("span.a", ".b", "resource.service.name", "name", "rootName", "event.c", "status"))
	if err != nil {
		w.t.Fatal(err)
	}
	values, err := traceql.NewTagValues(query, traceql.Field{Scope: attr.Scope, Intrinsic: attr.Intrinsic, Name: attr.Name}, 0)
	if err == nil {
		err = values.Add(w.t.Context(), all)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	list, _ := values.Values()
	answer, err := w.querier.TagValues(w.t.Context(), readapi.TagValuesRequest{Tenant: "t", Attribute: attr, Query: query})
	if err != nil || len(answer.Missing) > 0 || sortedValues(list) != sortedValues(answer.Values) {
		w.t.Fatalf("%s: values of %v: want %v, got %v %v", w.places(), attr, list, answer, err)
	}
}

func sortedValues(values []traceql.Value) string {
	var out []string
	for _, v := range values {
		out = append(out, fmt.Sprintf("%d %s", v.Type, v))
	}
	sort.Strings(out)
	return strings.Join(out, ", ")
}

// checkTraces asks for traces by their ids.
func (w *world) checkTraces(r *rand.Rand) {
	w.t.Helper()
	for range 5 {
		trace := w.spans.traces[r.IntN(len(w.spans.traces))]
		got, err := w.querier.Trace(w.t.Context(), readapi.TraceRequest{Tenant: "t", ID: trace.id})
		if err != nil || len(got.Missing) > 0 {
			w.t.Fatalf("%s: trace %x: %v %v", w.places(), trace.id, err, got)
		}
		var ids []byte
		for _, rs := range got.Trace.GetResourceSpans() {
			for _, ss := range rs.ScopeSpans {
				for _, s := range ss.Spans {
					ids = append(ids, s.SpanId[7])
				}
			}
		}
		slices.Sort(ids)
		if !slices.Equal(ids, trace.spans) {
			w.t.Fatalf("%s: trace %x has spans %v, want %v", w.places(), trace.id, ids, trace.spans)
		}
	}
}

// checkLimit asks for the newest traces alone.
func (w *world) checkLimit(r *rand.Rand, all traceql.Batch) {
	w.t.Helper()
	text := querytest.Maker{Rand: r}.Pick("{}", "{ status = error }", "{} >> {}", "{ span.a != nil }", "{ rootName != `x` }")
	q, err := traceql.Parse(text)
	if err != nil {
		w.t.Fatal(err)
	}
	limit := 1 + r.IntN(6)
	start := w.spans.start/second + int64(r.IntN(30))
	times := readapi.Range{Start: uint32(start), End: uint32(start + int64(r.IntN(60)))}
	req := readapi.SearchRequest{Tenant: "t", Query: q, Limit: limit, SpansPerSet: 100, Range: times}
	s, err := newSearch(req, nil)
	if err == nil {
		err = s.Add(w.t.Context(), all)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	want, _ := s.Found()
	told := map[[16]byte]bool{}
	got, err := w.querier.Search(w.t.Context(), req, func(found []*traceql.FoundTrace) error {
		for _, f := range found {
			told[f.ID] = true
		}
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
	if a, b := describeFound(want), describeFound(got.Traces); !slices.Equal(a, b) {
		w.t.Fatalf("%s: %s, limit %d, %v\nwant %v\ngot  %v", w.places(), text, limit, times, a, b)
	}
	for _, f := range got.Traces {
		if !told[f.ID] {
			w.t.Errorf("trace %x was not told while the search ran", f.ID)
		}
	}
}

// TestTheAnswerNeverChanges asks while spans go from live to blocks, to merged
// blocks, and to the archive, with traces that are in all of them.
func TestTheAnswerNeverChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		defer w.stop()
		r := rand.New(rand.NewPCG(1, 9))
		found := 0
		for i := range 60 {
			for range 1 + r.IntN(4) {
				w.append(w.spans.record(t))
			}
			if i%7 == 3 && len(w.records) > 5 { // a client that got no answer sends again
				w.append(w.records[len(w.records)-1-r.IntN(5)])
			}
			time.Sleep(time.Duration(r.IntN(6000)) * time.Millisecond)
			synctest.Wait()
			if i%10 == 9 {
				w.archiveSome(i/10%2, 2)
			}
			if i%3 == 2 {
				found += w.check(r, 10)
			}
		}
		if found < 20 {
			t.Errorf("only %d queries found anything", found)
		}
		t.Logf("%s; %+v", w.places(), w.store.Status())
	})
}
