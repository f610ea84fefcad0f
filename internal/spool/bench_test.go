package spool

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"
)

// BenchmarkAppend is what a client waits for: appended, synced, let go.
func BenchmarkAppend(b *testing.B) {
	for _, size := range []int{4 << 10, 64 << 10} {
		for _, appenders := range []int{1, 16, 64} {
			b.Run(fmt.Sprintf("bytes=%d/appenders=%d", size, appenders), func(b *testing.B) {
				benchmarkAppend(b, Options{MaxBytes: 64 << 30}, size, appenders)
			})
		}
	}
}

// BenchmarkWithout shows what waiting for the others and preparing segments are
// worth.
func BenchmarkWithout(b *testing.B) {
	for name, opts := range map[string]Options{
		"nothing": {}, "wait": {maxGroupWait: -1}, "spare": {NoSpare: true},
	} {
		for _, appenders := range []int{1, 16, 64} {
			b.Run(fmt.Sprintf("without=%s/appenders=%d", name, appenders), func(b *testing.B) {
				opts.MaxBytes = 64 << 30
				benchmarkAppend(b, opts, 16<<10, appenders)
			})
		}
	}
}

func benchmarkAppend(b *testing.B, opts Options, size, appenders int) {
	s := open(b, b.TempDir(), opts)
	payload := make([]byte, size)
	for i := range payload {
		payload[i] = byte(i * 7)
	}
	took := make([][]time.Duration, appenders)
	b.SetBytes(int64(size))
	b.ReportAllocs()
	b.ResetTimer()
	var all sync.WaitGroup
	for a := range appenders {
		all.Go(func() {
			for range share(b.N, appenders, a) {
				start := time.Now()
				if _, err := s.Append(Record{Tenant: "single-tenant", Spans: 10, Time: start, Payload: payload}); err != nil {
					b.Error(err)
					return
				}
				took[a] = append(took[a], time.Since(start))
			}
		})
	}
	all.Wait()
	b.StopTimer()
	sorted := slices.Concat(took...)
	slices.Sort(sorted)
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "appends/s")
	b.ReportMetric(float64(sorted[len(sorted)/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(sorted[len(sorted)*99/100].Microseconds())/1000, "p99-ms")
	b.ReportMetric(float64(b.N)/float64(s.syncs.Load()), "appends/sync")
}

func share(n, parts, i int) int { return n/parts + min(1, max(0, n%parts-i)) }

// BenchmarkRead is one pass over what was appended, from the page cache.
func BenchmarkRead(b *testing.B) {
	const size, records = 64 << 10, 2000
	s := open(b, b.TempDir(), Options{})
	appendMany(b, s, size, records)
	b.SetBytes(size)
	b.ReportAllocs()
	var buf []byte
	var r *Reader
	for i := range b.N {
		if i%records == 0 {
			r = s.NewReader()
			defer r.Close()
		}
		e, err := r.Next(ctx, buf)
		if err != nil {
			b.Fatal(err)
		}
		buf = e.Payload
	}
}

// BenchmarkRelease releases records in their order, a hundred at a time.
func BenchmarkRelease(b *testing.B) {
	s := open(b, b.TempDir(), Options{MaxBytes: 64 << 30})
	appendMany(b, s, 100, b.N)
	var positions []Position
	for i, err := range s.Pending(Position{}) {
		must(b, err)
		positions = append(positions, i.Position)
	}
	b.ReportAllocs()
	b.ResetTimer()
	for batch := range slices.Chunk(positions, 100) {
		must(b, s.Release(batch...))
	}
}

// BenchmarkOpen opens 1 GiB, as a clean stop and as a kill leaves it.
func BenchmarkOpen(b *testing.B) {
	dir := b.TempDir()
	s := open(b, dir, Options{})
	appendMany(b, s, 64<<10, 16<<10)
	must(b, s.Close())
	for _, killed := range []bool{false, true} {
		b.Run(fmt.Sprintf("killed=%v", killed), func(b *testing.B) {
			for range b.N {
				b.StopTimer()
				if killed {
					spoilLastFooter(b, dir)
				}
				b.StartTimer()
				s, err := Open(dir, Options{})
				must(b, err)
				b.StopTimer()
				must(b, s.Close())
				b.StartTimer()
			}
		})
	}
}

func appendMany(b *testing.B, s *Spool, size, records int) {
	const appenders = 64
	payload := make([]byte, size)
	var all sync.WaitGroup
	for a := range appenders {
		all.Go(func() {
			for range share(records, appenders, a) {
				if _, err := s.Append(Record{Tenant: "t", Spans: 1, Payload: payload}); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
}

// spoilLastFooter makes the last segment as it is when its writer was killed.
func spoilLastFooter(b *testing.B, dir string) {
	inv, err := takeInventory(Options{}.withDefaults().FS, dir)
	must(b, err)
	g := inv.segments[len(inv.segments)-1]
	f, err := inv.fsys.OpenFile(g.path, 2, 0)
	must(b, err)
	must(b, f.Truncate(g.end.offset))
	must(b, f.Allocate(64<<20))
	must(b, f.Close())
}
