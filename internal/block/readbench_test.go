package block

import (
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"appliance/internal/block/blocktest"
	"appliance/internal/block/parquet"
)

// loadBlock is a block of what twenty services send.
func loadBlock(b *testing.B, spans int) (*Block, Stats) {
	b.Helper()
	l := blocktest.NewLoad(1, spans)
	var records [][]byte
	for {
		r, _ := l.Next()
		if r == nil {
			break
		}
		records = append(records, append([]byte(nil), r...))
	}
	return built(b, records, BuilderOptions{})
}

const benchSpans = 200_000

// cpu is the processor time that the process has used, of all its threads.
func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// reportCPU reports what b.N runs took since start, which does not depend on
// what else the machine does, and the rate of spans spans a run.
func reportCPU(b *testing.B, start time.Duration, spans int64) {
	d := cpu(b) - start
	b.ReportMetric(float64(d.Microseconds())/float64(b.N)/1000, "cpu-ms/op")
	if spans > 0 {
		b.ReportMetric(float64(spans)*float64(b.N)/d.Seconds(), "spans/cpu-s")
	}
}

// BenchmarkScan decodes three columns of all row groups: names, durations and
// status codes.
func BenchmarkScan(b *testing.B) {
	block, stats := loadBlock(b, benchSpans)
	var names, durations, codes parquet.Values
	start := cpu(b)
	for b.Loop() {
		for g := range block.RowGroups() {
			group := block.RowGroup(g)
			for r, v := range map[Role]*parquet.Values{SpanName: &names, SpanDuration: &durations, SpanStatusCode: &codes} {
				v.Reset()
				if _, _, err := group.Scan(b.Context(), r, nil, v); err != nil {
					b.Fatal(err)
				}
			}
		}
	}
	reportCPU(b, start, stats.Spans)
}

// BenchmarkTrace reads one trace of many.
func BenchmarkTrace(b *testing.B) {
	block, _ := loadBlock(b, benchSpans)
	var ids [][16]byte
	for id := range traceIDs(b, block) {
		ids = append(ids, id)
	}
	r := rand.New(rand.NewPCG(1, 1))
	var buf []byte
	b.ReportAllocs()
	start := cpu(b)
	for b.Loop() {
		var err error
		if buf, err = block.Trace(b.Context(), ids[r.IntN(len(ids))], buf[:0]); err != nil {
			b.Fatal(err)
		}
	}
	reportCPU(b, start, 0)
}

// BenchmarkTraces reads all traces in order.
func BenchmarkTraces(b *testing.B) {
	block, stats := loadBlock(b, benchSpans)
	start := cpu(b)
	for b.Loop() {
		for _, err := range block.Traces(b.Context()) {
			if err != nil {
				b.Fatal(err)
			}
		}
	}
	reportCPU(b, start, stats.Spans)
}

// BenchmarkMayHave asks the bloom for traces that are not there.
func BenchmarkMayHave(b *testing.B) {
	block, _ := loadBlock(b, 20_000)
	blooms := NewBlooms(block.src, block.meta.BloomShards, nil)
	r := rand.New(rand.NewPCG(2, 2))
	start := cpu(b)
	for b.Loop() {
		var id [16]byte
		for i := range id {
			id[i] = byte(r.Uint32())
		}
		if _, err := blooms.MayHave(b.Context(), id); err != nil {
			b.Fatal(err)
		}
	}
	reportCPU(b, start, 0)
}

// BenchmarkAttribute reads an attribute that every span has, and one that
// nothing has.
func BenchmarkAttribute(b *testing.B) {
	block, stats := loadBlock(b, benchSpans)
	for name, missing := range map[string]bool{"found": false, "missing": true} {
		b.Run(name, func(b *testing.B) {
			start := cpu(b)
			for b.Loop() {
				for g := range block.RowGroups() {
					key := benchKey(b, block.RowGroup(g))
					if missing {
						key = "no such key"
					}
					if _, err := block.RowGroup(g).Attribute(b.Context(), OfSpan, key, nil); err != nil {
						b.Fatal(err)
					}
				}
			}
			reportCPU(b, start, stats.Spans)
		})
	}
}

// benchKey is the first key of spans.
func benchKey(b *testing.B, g *RowGroup) (key string) {
	b.Helper()
	err := g.Keys(b.Context(), OfSpan, func(k []byte) bool {
		key = string(k)
		return key == "http.method" || key == "http.url" || key == "http.status_code"
	})
	if err != nil {
		b.Fatal(err)
	}
	return key
}

// BenchmarkVerify reads everything of a block: by pages, as blocks of a Builder
// can be, and by rows.
func BenchmarkVerify(b *testing.B) {
	block, stats := loadBlock(b, benchSpans)
	for name, verify := range map[string]func(r *Report) error{
		"pages": func(r *Report) error { return block.verifyPages(b.Context(), 0, r) },
		"rows":  func(r *Report) error { return block.verifyColumns(b.Context(), 0, r) },
	} {
		b.Run(name, func(b *testing.B) {
			start := cpu(b)
			for b.Loop() {
				if err := verify(&Report{}); err != nil {
					b.Fatal(err)
				}
			}
			reportCPU(b, start, stats.Spans)
		})
	}
}
