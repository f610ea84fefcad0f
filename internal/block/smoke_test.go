package block

import (
	"context"
	"os"
	"runtime/pprof"
	"strconv"
	"syscall"
	"testing"
	"time"

	"appliance/internal/block/blocktest"
)

func TestSmoke(t *testing.T) {
	n := 50_000
	if v := os.Getenv("N"); v != "" {
		n, _ = strconv.Atoi(v)
	}
	var records [][]byte
	total := 0
	l := blocktest.NewLoad(1, min(n, 50_000))
	for {
		r, _ := l.Next()
		if r == nil {
			break
		}
		records = append(records, append([]byte(nil), r...))
		total += len(r)
	}
	if p := os.Getenv("PROF"); p != "" {
		f, _ := os.Create(p)
		pprof.StartCPUProfile(f)
		defer pprof.StopCPUProfile()
	}
	cpu := func() time.Duration {
		var u syscall.Rusage
		syscall.Getrusage(0, &u)
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	for range 3 {
		dir := t.TempDir()
		start := cpu()
		b, err := NewBuilder(BuilderOptions{Dir: dir, Tenant: "t", BlockID: "b"})
		if err != nil {
			t.Fatal(err)
		}
		for range n / min(n, 50_000) {
			for _, r := range records {
				if err := b.Add(r); err != nil {
					t.Fatal(err)
				}
			}
		}
		meta, stats, err := b.Finish(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		d := cpu() - start
		t.Logf("%d spans, %.0f spans per CPU-s, %.1f B/span, wire %.1f, meta %+v stats %+v", stats.Spans, float64(stats.Added)/d.Seconds(), float64(meta.Size)/float64(stats.Spans), float64(total)/float64(min(n, 50_000)), meta, stats)
	}
}
