package blockstore

import (
	"slices"
	"syscall"
	"testing"
	"time"

	"appliance/internal/block/blocktest"
	"appliance/internal/durable"
	"appliance/internal/live"
	"appliance/internal/spool"
)

// Blocks of a benchmark, and the spans of each.
const (
	benchBlocks = 6
	benchSpans  = 50_000
)

// cpu is the processor time that the process has used.
func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkStore takes spans out of the spool into blocks, and merges these. Both
// are proven. It reports CPU time, syncs included, whatever else the machine
// does.
func BenchmarkStore(b *testing.B) {
	var build, merge time.Duration
	for b.Loop() {
		b.StopTimer()
		dir := b.TempDir()
		sp, s, err := tryOpenLarge(dir)
		if err != nil {
			b.Fatal(err)
		}
		parts := fillParts(b, sp)
		b.StartTimer()
		start := cpu(b)
		for _, p := range parts {
			s.of(p.Tenant()).parts = append(s.of(p.Tenant()).parts, p)
			if err := s.buildPart(b.Context(), p); err != nil {
				b.Fatal(err)
			}
		}
		built := cpu(b)
		build += built - start
		if _, err := s.mergeBlocks(b.Context(), &plan{tenant: "a", sources: slices.Clone(s.of("a").blocks)}); err != nil {
			b.Fatal(err)
		}
		merge += cpu(b) - built
		if err := sp.Close(); err != nil {
			b.Fatal(err)
		}
	}
	spans := float64(b.N) * benchBlocks * benchSpans
	b.ReportMetric(float64(build.Microseconds())/spans, "build-µs/span")
	b.ReportMetric(float64(merge.Microseconds())/spans, "merge-µs/span")
	b.ReportMetric(spans/(build+merge).Seconds(), "spans/cpu-s")
}

func tryOpenLarge(dir string) (*spool.Spool, *Store, error) {
	sp, err := spool.Open(dir+"/spool", spool.Options{NoSpare: true})
	if err != nil {
		return nil, nil, err
	}
	s, err := Open(background, Options{Dir: dir + "/blocks", Spool: sp, FS: durable.OS})
	return sp, s, err
}

// fillParts puts the spans of twenty services into the spool, and takes them as
// the follower does.
func fillParts(b *testing.B, sp *spool.Spool) []*part {
	l := blocktest.NewLoad(1, benchBlocks*benchSpans)
	r := sp.NewReader()
	defer r.Close()
	var parts []*part
	for range benchBlocks {
		p := &part{Part: live.NewPart("a", sp), closed: true}
		for p.Size().Spans < benchSpans {
			record, n := l.Next()
			if record == nil {
				break
			}
			if _, err := sp.Append(spool.Record{Tenant: "a", Spans: n, Time: time.Now(), Payload: record}); err != nil {
				b.Fatal(err)
			}
			e, err := r.Next(b.Context(), nil)
			if err != nil {
				b.Fatal(err)
			}
			if err := p.Add(e); err != nil {
				b.Fatal(err)
			}
		}
		parts = append(parts, p)
	}
	return parts
}
