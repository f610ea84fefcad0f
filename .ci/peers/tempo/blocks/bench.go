package main

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// usage is what the process has used until now.
type usage struct {
	cpu  time.Duration
	peak int64 // bytes resident at most
}

func used() (usage, error) {
	var r unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &r); err != nil {
		return usage{}, err
	}
	return usage{time.Duration(r.Utime.Nano() + r.Stime.Nano()), r.Maxrss * 1024}, nil
}

// runBenchCreate measures CreateBlock alone. Its spans are already grouped and
// sorted by trace; reading them back costs a decoding.
func runBenchCreate(ctx context.Context, args []string, out io.Writer) error {
	var c creation
	fs := flags("bench-create")
	c.register(fs)
	s, files, err := parse(fs, args, 1)
	if err != nil {
		return err
	}
	dir := fs.Arg(0)
	g, err := gather(files, c.combine)
	if err != nil {
		return err
	}
	defer g.Close()
	runtime.GC()
	if err := resetPeak(); err != nil {
		return err
	}
	before, err := used()
	if err != nil {
		return err
	}
	start := time.Now()
	meta, err := c.create(ctx, s, g)
	if err != nil {
		return err
	}
	wall := time.Since(start)
	after, err := used()
	if err != nil {
		return err
	}
	peak, err := peakRSS()
	if err != nil {
		return err
	}
	size, err := directorySize(filepath.Join(dir, s.tenant, meta.BlockID.String()))
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(out, text(object{
		"block": meta.BlockID.String(), "traces": len(g.traces), "spans": g.spans, "bytes": size, "peak_rss_bytes": peak,
		"cpu_seconds": (after.cpu - before.cpu).Seconds(), "seconds": wall.Seconds(),
	}))
	return err
}

func directorySize(dir string) (size int64, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return 0, err
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			return 0, err
		}
		size += info.Size()
	}
	return size, nil
}

// runBenchQuery asks each query several times. The line "trace ID" is a lookup.
func runBenchQuery(ctx context.Context, args []string, out io.Writer) error {
	var q search
	fs := flags("bench-query")
	q.register(fs)
	times := fs.Int("n", 5, "how often each query is asked")
	s, args, err := parse(fs, args, 1)
	if err != nil {
		return err
	}
	return eachLine(os.Stdin, func(query string) error {
		var each []float64
		results := 0
		for range *times {
			before, err := used()
			if err != nil {
				return err
			}
			if results, err = s.askOnce(ctx, &q, args, query); err != nil {
				return fmt.Errorf("%s: %w", query, err)
			}
			after, err := used()
			if err != nil {
				return err
			}
			each = append(each, (after.cpu - before.cpu).Seconds())
		}
		end, err := used()
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(out, text(object{
			"query": query, "results": results, "cpu_seconds": each, "peak_rss_bytes": end.peak,
		}))
		return err
	})
}

// askOnce opens the blocks, as a querier does for each job, and returns how many
// traces or series the answer has.
func (s *storage) askOnce(ctx context.Context, q *search, ids []string, query string) (int, error) {
	blocks, err := s.openAll(ctx, ids)
	if err != nil {
		return 0, err
	}
	if text, ok := strings.CutPrefix(query, "trace "); ok {
		id, err := hex.DecodeString(text)
		if err != nil {
			return 0, err
		}
		for _, b := range blocks {
			found, err := b.FindTraceByID(ctx, id, searchOptions())
			if err != nil || found != nil && found.Trace != nil {
				return 1, err
			}
		}
		return 0, nil
	}
	answer, err := q.ask(ctx, blocks, query)
	if err != nil {
		return 0, err
	}
	traces, _ := answer["traces"].([]any)
	series, _ := answer["series"].([]any)
	return len(traces) + len(series), nil
}
