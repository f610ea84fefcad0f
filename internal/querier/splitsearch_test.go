package querier

import (
	"bytes"
	"context"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"appliance/internal/block"
	"appliance/internal/readapi"
	"appliance/internal/traceql"
)

// countedArchive counts what is read of its blocks.
type countedArchive struct {
	*dirArchive
	data   atomic.Int64 // bytes of data.parquet
	blooms atomic.Int64 // reads of blooms
}

type countedSource struct {
	Source
	a *countedArchive
}

func (a *countedArchive) Source(tenant string, b *ArchivedBlock) Source {
	return countedSource{a.dirArchive.Source(tenant, b), a}
}

func (s countedSource) ReadAt(ctx context.Context, name string, p []byte, off int64) (int, error) {
	if name == block.DataName {
		s.a.data.Add(int64(len(p)))
	} else if strings.HasPrefix(name, "bloom") {
		s.a.blooms.Add(1)
	}
	return s.Source.ReadAt(ctx, name, p, off)
}

func newCountedArchive(t *testing.T) *countedArchive {
	return &countedArchive{dirArchive: &dirArchive{dir: filepath.Join(t.TempDir(), "t")}}
}

// expect asks for all traces, and wants the answer that records give in memory.
func (a *countedArchive) expect(t *testing.T, text string, limit int, records [][]byte) {
	t.Helper()
	q, err := traceql.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	querier := New(Options{Archive: a})
	defer querier.Close()
	a.data.Store(0)
	a.blooms.Store(0)
	got, err := querier.Search(t.Context(), readapi.SearchRequest{Tenant: "t", Query: q, Limit: limit}, nil)
	if err != nil || len(got.Missing) > 0 {
		t.Fatal(got, err)
	}
	if found, want := describeFound(got.Traces), searchBatches(t, q, memoryOf(t, records...)); !slices.Equal(found, want) || len(found) == 0 {
		t.Errorf("%s: %d traces, want %d\ngot  %.300v\nwant %.300v", text, len(found), len(want), found, want)
	}
}

// What a query does not ask for is not read, though traces are put together of
// many blocks.
func TestLargeAttributesAreNotRead(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	a := newCountedArchive(t)
	const blocks, traces, large = 3, 5, 100_000
	var records [][]byte
	for range blocks {
		var in [][]byte
		for n := range uint32(traces) {
			in = append(in, spansOf(t, r, large, n, n))
		}
		a.archiveRecords(t, in...)
		records = append(records, in...)
	}
	for _, limit := range []int{traces, fewFound + 1} {
		for _, text := range []string{
			"{}", "{ resource.service.name = `web` }", "{ status != error && name = `get` }", "{ span.other = nil }",
			"{ event:timeSinceStart >= 0s }", "{} >> {} || {}", "{} | count() > 1",
		} {
			a.expect(t, text, limit, records)
			if n := a.data.Load(); n > large*blocks*traces/2 {
				t.Errorf("%s, limit %d: %d bytes were read, though %d are the least of all large attributes", text, limit, n, large*blocks*traces)
			}
		}
		for _, text := range []string{"{ span.small = `x` }", "{ .small != nil && event.small = `x` }", "{ span.large != `x` }", "{} | select(event.large)"} {
			a.expect(t, text, limit, records)
		}
	}
}

// How often blocks are asked whether they have a trace grows with them, not with
// their square.
func TestManyBlocksAreNotAskedForEachTrace(t *testing.T) {
	blooms := map[int]int64{}
	for _, blocks := range []int{40, 80} {
		r := rand.New(rand.NewPCG(1, 2))
		a := newCountedArchive(t)
		var records [][]byte
		for i := range blocks {
			traces := []uint32{0, 10_000} // these are in all blocks
			for n := range 4 {
				traces = append(traces, uint32(1+i+blocks*n))
			}
			if i%10 == 9 {
				traces = append(traces, uint32(i)) // as in the block before it
			}
			record := spansOf(t, r, 10, traces...)
			a.archiveRecords(t, record)
			records = append(records, record)
		}
		a.expect(t, "{}", fewFound, records)
		blooms[blocks] = a.blooms.Load()
	}
	if blooms[80] > 3*blooms[40] {
		t.Errorf("blooms were read %d times with 40 blocks, and %d times with 80", blooms[40], blooms[80])
	}
}

// Whether spans are copies is told by all that they say, also by attributes that
// the query does not ask for.
func TestCopiesAreToldByWhatIsNotAskedFor(t *testing.T) {
	a := newCountedArchive(t)
	var records [][]byte
	for i := range 3 {
		record := spansOf(t, rand.New(rand.NewPCG(3, 4)), 10, 1, 2)
		if i == 2 { // other attributes
			record = bytes.ReplaceAll(record, []byte("small"), []byte("other"))
		}
		a.archiveRecords(t, record)
		records = append(records, record)
	}
	for _, limit := range []int{10, fewFound + 1} {
		for _, text := range []string{"{}", "{ span.small = `x` }", "{} | count() = 2"} {
			a.expect(t, text, limit, records)
		}
	}
}
