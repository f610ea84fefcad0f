package read

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/grafana/tempo/pkg/tempopb"
	"github.com/grafana/tempo/tempodb/backend"
	"github.com/grafana/tempo/tempodb/encoding/common"
	"github.com/grafana/tempo/tempodb/encoding/vparquet4"
	"golang.org/x/sync/errgroup"

	"appliance/archive"
)

const (
	benchBlocks = 1000
	benchTraces = 10_000 // a block
)

// benchArchive is an archive of 1,000 blocks of 10,000 traces of one span, about 1.2 GB. It takes minutes to make;
// READ_BENCH_DIR keeps it for the next time.
func benchArchive(b *testing.B) *archiveDir {
	b.Helper()
	dir := os.Getenv("READ_BENCH_DIR")
	if dir == "" {
		dir = b.TempDir()
	}
	a := openArchive(b, dir)
	done := filepath.Join(dir, fmt.Sprintf("made-%d-%d", benchBlocks, benchTraces))
	if _, err := os.Stat(done); err == nil {
		return a
	}
	makers := errgroup.Group{}
	makers.SetLimit(runtime.GOMAXPROCS(0))
	for n := range benchBlocks {
		makers.Go(func() error {
			id, err := manyTraces(dir, n)
			if err == nil {
				a.commit(b, tenant, id)
			}
			return err
		})
	}
	if err := makers.Wait(); err != nil {
		b.Fatal(err)
	}
	if _, err := archive.Open(a.store).Verify(b.Context(), archive.VerifyOptions{}); err != nil {
		b.Fatal(err)
	}
	if err := os.WriteFile(done, nil, 0o644); err != nil {
		b.Fatal(err)
	}
	return a
}

// manyTraces makes block n.
func manyTraces(dir string, n int) (string, error) {
	_, reader, writer, err := asBackend(dir)
	if err != nil {
		return "", err
	}
	meta := backend.NewBlockMeta(tenant, uuid.New(), vparquet4.VersionString, backend.EncNone, "")
	start := day.Add(time.Duration(n) * 5 * time.Minute)
	meta.StartTime, meta.EndTime, meta.TotalObjects = start, start.Add(5*time.Minute), benchTraces
	config := &common.BlockConfig{BloomFP: common.DefaultBloomFP, BloomShardSizeBytes: common.DefaultBloomShardSizeBytes, Version: vparquet4.VersionString, RowGroupSizeBytes: 10 << 20}
	_, err = vparquet4.Encoding{}.CreateBlock(context.Background(), config, meta, &counting{block: n}, reader, writer)
	return meta.BlockID.String(), err
}

// counting yields the traces of a block in the order of their ids: number i of block n has benchID(n, i).
type counting struct {
	block, next int
	tr          *tempopb.Trace
}

func benchID(block, i int) []byte {
	id := make([]byte, 16)
	binary.BigEndian.PutUint32(id, uint32(i)*429_496) // spread, sorted
	copy(id[4:], sum16(fmt.Sprintf("%d-%d", block, i), 12))
	return id
}

func (c *counting) Next(context.Context) (common.ID, *tempopb.Trace, error) {
	if c.next == benchTraces {
		return nil, nil, io.EOF
	}
	if c.tr == nil {
		c.tr = makeTrace(c.block*300, fmt.Sprintf("service-%d", c.block%20), 0)
	}
	id := benchID(c.block, c.next)
	for s := range spans(c.tr) {
		s.TraceId, s.SpanId = id, id[8:]
		s.Attributes[1].Value = number("n", int64(c.next)).Value
	}
	c.next++
	return id, c.tr, nil
}

func (c *counting) Close() {}

// BenchmarkFind finds one trace among 1,000 blocks of 10,000 traces, with warm files and a Reader that knows them.
func BenchmarkFind(b *testing.B) {
	a := benchArchive(b)
	r := New(a.store, Options{})
	find := func(i int) {
		block, n := i*7919%benchBlocks, i*104729%benchTraces
		resp, missing, err := r.FindTrace(b.Context(), tenant, benchID(block, n), 0, 0, nil)
		if err != nil || len(missing) > 0 || len(spanIDs(resp.Trace)) != 1 {
			b.Fatal(resp, missing, err)
		}
	}
	began := time.Now()
	find(0)
	b.Logf("the first one, with the catalog to read: %s", time.Since(began))
	find(1)
	peak := watchHeap(b)
	i := 0
	for b.Loop() {
		find(i)
		i++
	}
	peak()
}

// BenchmarkFindNothing looks for a trace that is not there.
func BenchmarkFindNothing(b *testing.B) {
	a := benchArchive(b)
	r := New(a.store, Options{})
	i := 0
	for b.Loop() {
		resp, missing, err := r.FindTrace(b.Context(), tenant, benchID(benchBlocks, i), 0, 0, nil)
		if err != nil || len(missing) > 0 || resp.Trace != nil {
			b.Fatal(resp, missing, err)
		}
		i++
	}
}

// BenchmarkSearch searches all 1,000 blocks, 10,000,000 spans.
func BenchmarkSearch(b *testing.B) {
	a := benchArchive(b)
	for name, query := range map[string]string{
		"attribute": `{ span.n = 9999 && resource.service.name = "service-7" }`,
		"nothing":   `{ span.nothing = "here" }`,
		"most":      `{ span.n >= 0 } with (most_recent=false)`,
	} {
		for _, parallel := range []int{1, 2, 4} {
			b.Run(fmt.Sprintf("%s/parallel=%d", name, parallel), func(b *testing.B) {
				r := New(a.store, Options{Parallel: parallel})
				peak := watchHeap(b)
				for b.Loop() {
					_, missing, err := r.Search(b.Context(), tenant, &tempopb.SearchRequest{Query: query, Limit: 10_000}, nil, nil)
					if err != nil || len(missing) > 0 {
						b.Fatal(missing, err)
					}
				}
				peak()
			})
		}
	}
}

// watchHeap reports the peak of the live and dead heap with GOGC at 25, as serve sets it, above what there was before.
func watchHeap(b *testing.B) (report func()) {
	b.Helper()
	gogc := debug.SetGCPercent(25)
	runtime.GC()
	var before runtime.MemStats
	runtime.ReadMemStats(&before)
	var peak atomic.Uint64
	var wg sync.WaitGroup
	done := make(chan struct{})
	wg.Go(func() {
		tick := time.NewTicker(2 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
				var m runtime.MemStats
				runtime.ReadMemStats(&m)
				peak.Store(max(peak.Load(), m.HeapInuse))
			}
		}
	})
	return func() {
		close(done)
		wg.Wait()
		debug.SetGCPercent(gogc)
		b.ReportMetric(float64(peak.Load()-min(peak.Load(), before.HeapInuse))/(1<<20), "peak-MiB")
	}
}
