package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"text/tabwriter"
	"time"

	"appliance/internal/block"
	"appliance/internal/block/blocktest"
)

// lastHour are the searches that are asked about the last hour.
var lastHour = []string{
	"{ status = error }",
	`{ resource.service.name = "service-03" && duration > 100ms }`,
	"{ span.customer.id = 12345 }",
}

// runDay asks an appliance that has a day in blocks and in the archive, while spans come
// in: for traces of the whole day by their ids, and searches over the last hour.
func runDay(ctx context.Context, o *options, dir string) (err error) {
	began := time.Now()
	ids, err := makeDay(ctx, blocksOf(dir, "appliance"), o.day, o.spans, began.Add(-24*time.Hour))
	if err != nil {
		return fmt.Errorf("make the blocks of a day: %w", err)
	}
	fmt.Printf("%d blocks of %d spans over 24 hours, made in %s; load %s\n", o.day, o.spans, time.Since(began).Round(time.Second), load())
	intake, err := freePort()
	if err != nil {
		return err
	}
	s, err := startAppliance(dir, o.appliance, "APPLIANCE_RECEIVER_LISTEN="+intake)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	if err := s.untilArchived(ctx, o.day); err != nil {
		return err
	}
	sending, end := context.WithTimeout(ctx, o.length)
	defer end()
	sent, failed := &atomic.Int64{}, make(chan error, 1)
	go func() { failed <- send(sending, "http://"+intake+"/v1/traces", o.rate, sent) }()
	took, err := askDay(sending, s, ids)
	if err = errors.Join(err, <-failed); err != nil {
		return err
	}
	peak, err := s.peak()
	if err != nil {
		return err
	}
	fmt.Printf("%d spans/s were taken meanwhile; the process had %d MB at most\n\n", sent.Load()/int64(o.length.Seconds()), peak>>20)
	return printTimes(os.Stdout, took)
}

// untilArchived waits until so many blocks are archived. A day's blocks come over a day,
// so that all but the newest are archived when somebody asks.
func (s *server) untilArchived(ctx context.Context, blocks int) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Minute)
	defer cancel()
	for {
		text, err := get(ctx, s.url+"/metrics")
		if err != nil {
			return fmt.Errorf("wait for %d blocks to be archived: %w", blocks, err)
		}
		for line := range strings.Lines(string(text)) {
			value, ok := strings.CutPrefix(strings.TrimSpace(line), "appliance_archive_blocks_total ")
			if n, err := strconv.ParseFloat(value, 64); ok && err == nil && n >= float64(blocks) {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for %d blocks to be archived: %w", blocks, ctx.Err())
		case <-time.After(time.Second):
		}
	}
}

// makeDay makes blocks whose spans are spread over a day, and returns ids of traces
// of all of them.
func makeDay(ctx context.Context, to string, blocks, spans int, from time.Time) (ids []string, err error) {
	for i := range blocks {
		id := fmt.Sprintf("0a1b2c3d-4e5f-6071-8293-%012x", i)
		// A level that no merge takes: the day has this many blocks.
		b, err := block.NewBuilder(block.BuilderOptions{Dir: to, Tenant: tenant, BlockID: id, CompactionLevel: 9})
		if err != nil {
			return nil, err
		}
		l := blocktest.NewLoad(uint64(i+2), spans)
		l.At(from.Add(24 * time.Hour * time.Duration(i) / time.Duration(blocks)))
		for record, n := l.Next(); n > 0; record, n = l.Next() {
			if err := b.Add(record); err != nil {
				return nil, errors.Join(err, b.Abort())
			}
		}
		_, stats, err := b.Finish(ctx)
		if err != nil {
			return nil, errors.Join(err, b.Abort())
		}
		some, err := someIDs(ctx, filepath.Join(to, tenant, id), stats.Traces)
		if err != nil {
			return nil, err
		}
		ids = append(ids, some...)
	}
	return ids, nil
}

// send sends spans of now at a rate, in spans a second, until ctx ends.
func send(ctx context.Context, target string, rate int, sent *atomic.Int64) error {
	l := blocktest.NewLoad(1, 1<<40)
	began := time.Now()
	for {
		due := began.Add(time.Duration(sent.Load()) * time.Second / time.Duration(rate))
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(time.Until(due)):
		}
		l.At(time.Now())
		record, n := l.Next()
		resp, err := http.Post(target, "application/x-protobuf", bytes.NewReader(record))
		if err != nil {
			return fmt.Errorf("send spans: %w", err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("send spans: the answer is %s", resp.Status)
		}
		sent.Add(int64(n))
	}
}

// askDay asks one question after the other until ctx ends. Each search comes after
// twenty traces.
func askDay(ctx context.Context, s *server, ids []string) (map[string][]time.Duration, error) {
	took := map[string][]time.Duration{}
	r := rand.New(rand.NewPCG(1, 1))
	b := &madeBlock{}
	for n := 0; ctx.Err() == nil; n++ {
		q := query{name: "trace by id", path: "/api/traces/"}
		b.ids = []string{ids[r.IntN(len(ids))]}
		if n%21 == 20 {
			q = search(lastHour[n/21%len(lastHour)])
			q.name += ", last hour"
			b.start, b.end = time.Now().Add(-time.Hour).Unix(), time.Now().Unix()
		}
		c, err := s.ask(context.WithoutCancel(ctx), &q, b, 0)
		if err != nil {
			return nil, err
		}
		if c.answer == 0 {
			return nil, fmt.Errorf("%s: nothing is found", q.name)
		}
		took[q.name] = append(took[q.name], c.wall)
	}
	return took, nil
}

// printTimes prints percentiles of how long answers took.
func printTimes(to io.Writer, took map[string][]time.Duration) error {
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "asked\ttimes\tp50 ms\tp99 ms\tmost ms\t")
	for _, name := range slices.Sorted(maps.Keys(took)) {
		all := slices.Sorted(slices.Values(took[name]))
		ms := func(d time.Duration) string {
			return strconv.FormatFloat(float64(d)/float64(time.Millisecond), 'f', 1, 64)
		}
		fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%s\t\n", name, len(all), ms(all[len(all)/2]), ms(all[len(all)*99/100]), ms(all[len(all)-1]))
	}
	return w.Flush()
}
