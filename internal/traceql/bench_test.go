package traceql

import (
	"context"
	"runtime"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// benchBatch has the record's dataset many times over, each copy with other
// trace ids: about half a million spans.
var benchBatch = sync.OnceValue(func() *MemoryBatch {
	b := NewMemoryBuilder()
	requests := conformanceRequests(1, 2)
	for n := range 11 {
		for _, r := range requests {
			if err := b.Append(withOtherTraces(r, byte(n))); err != nil {
				panic(err)
			}
		}
	}
	return b.Batch()
})

func BenchmarkSearch(b *testing.B) {
	for _, query := range []string{
		`{ status = error }`,
		`{ duration > 2s }`,
		`{ span.http.response.status_code = 503 }`,
		`{ resource.service.name = "orders" && status = error }`,
		`{ .user.tier = "gold" }`,
		`{ name =~ "GET /.*item.*" }`,
		`{ span.nothing = "there" }`,
		`{ resource.service.name = "payments" && status = error } >> { resource.service.name = "ledger" }`,
		`{ kind = server } | count() > 5 | by(resource.service.name)`,
		`{ span.db.rows * 2 > 1000 }`,
	} {
		b.Run(query, func(b *testing.B) {
			q, err := Parse(query)
			if err != nil {
				b.Fatal(err)
			}
			batch := benchBatch()
			b.ResetTimer()
			for b.Loop() {
				s, err := NewSearch(q, SearchOptions{Limit: 20, SpansPerSet: 3})
				if err != nil {
					b.Fatal(err)
				}
				if err := s.Add(context.Background(), batch); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(batch.Rows(LevelSpan))*float64(b.N)/b.Elapsed().Seconds()/1e6, "Mspans/s")
		})
	}
}

func BenchmarkMetrics(b *testing.B) {
	for _, query := range []string{
		`{ } | rate()`,
		`{ } | rate() by (resource.service.name)`,
		`{ status = error } | count_over_time() by (span.http.route, kind)`,
		`{ kind = server } | quantile_over_time(duration, .5, .99) by (resource.service.name)`,
		`{ kind = server } | compare({ status = error })`,
	} {
		b.Run(query, func(b *testing.B) {
			q, err := Parse(query)
			if err != nil {
				b.Fatal(err)
			}
			batch := benchBatch()
			b.ResetTimer()
			for b.Loop() {
				m, err := NewMetrics(q, MetricsOptions{Start: 1795878000e9, End: 1795885200e9, Step: 60e9})
				if err != nil {
					b.Fatal(err)
				}
				if err := m.Add(context.Background(), batch); err != nil {
					b.Fatal(err)
				}
				m.Series()
			}
			b.ReportMetric(float64(batch.Rows(LevelSpan))*float64(b.N)/b.Elapsed().Seconds()/1e6, "Mspans/s")
		})
	}
}

// BenchmarkMemoryBatch also says how much memory a span takes in a batch.
func BenchmarkMemoryBatch(b *testing.B) {
	requests := conformanceRequests(1, 2)
	size := 0
	for _, r := range requests {
		size += len(r)
	}
	var batch *MemoryBatch
	for b.Loop() {
		batch = nil
		runtime.GC()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		start := time.Now()
		var err error
		if batch, err = NewMemoryBatch(requests...); err != nil {
			b.Fatal(err)
		}
		took := time.Since(start)
		runtime.GC()
		runtime.ReadMemStats(&after)
		spans := float64(batch.Rows(LevelSpan))
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/spans, "B/span")
		b.ReportMetric(float64(size)/spans, "wireB/span")
		b.ReportMetric(spans/took.Seconds()/1e6, "Mspans/s")
	}
	runtime.KeepAlive(batch)
}

// withOtherTraces changes the first byte of each trace id in a copy of a
// request.
func withOtherTraces(request []byte, n byte) []byte {
	out := append([]byte(nil), request...)
	_ = fields(out, func(_ protowire.Number, rs []byte, _ uint64) error {
		return fields(rs, func(number protowire.Number, ss []byte, _ uint64) error {
			if number != 2 {
				return nil
			}
			return fields(ss, func(number protowire.Number, span []byte, _ uint64) error {
				if number != 2 {
					return nil
				}
				return fields(span, func(number protowire.Number, id []byte, _ uint64) error {
					if number == 1 && len(id) == 16 {
						id[0] ^= n
					}
					return nil
				})
			})
		})
	})
	return out
}
