package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	tempo  = "tempo"
	jaeger = "jaeger"
)

// peersDir is where .ci/peers/build puts the peers.
const peersDir = "../.cache/peers/bin"

type storeOptions struct {
	appliance, tempo, out string
	rates                 []float64 // spans a second, 0: as fast as the connections go
	load, merge, settle   time.Duration
	clients, behind       int
	jaeger, jaegerSync    bool
}

func parseStoreOptions(args []string) (o storeOptions, err error) {
	flags := flag.NewFlagSet("bench store", flag.ContinueOnError)
	flags.StringVar(&o.appliance, "appliance", "../.cache/appliance", "the appliance's binary")
	flags.StringVar(&o.tempo, "tempo", filepath.Join(peersDir, tempo), "Tempo's binary; empty: the appliance alone")
	flags.StringVar(&o.out, "out", "../.cache/bench-store.json", "where to write the results as JSON")
	flags.BoolVar(&o.jaeger, "jaeger", false, "beside Jaeger with badger too, as .ci/peers/build jaeger makes it")
	flags.BoolVar(&o.jaegerSync, "jaeger-sync", true, "Jaeger syncs each write, as the appliance does; false: as it does by default")
	rates := flags.String("rates", "10000", "spans a second that are offered, one run each; 0: as many as are taken")
	flags.DurationVar(&o.load, "for", 15*time.Second, "how long spans are sent, 1s to 1h")
	flags.DurationVar(&o.merge, "merge-after", 10*time.Second, "blocks.merge_after of the appliance: 5m by default, which makes a run last 10 minutes more")
	flags.DurationVar(&o.settle, "settle", 20*time.Minute, "how long to wait until all is merged and archived")
	flags.IntVar(&o.clients, "clients", 8, "connections where the rate is 0, 1 to 64")
	flags.IntVar(&o.behind, "behind", 0, "begin each run with so many blocks in the appliance's store and archive: about 300 are a day's")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	for text := range strings.SplitSeq(*rates, ",") {
		rate, err := strconv.ParseFloat(text, 64)
		if err != nil || rate < 0 || rate > 10e6 {
			return o, fmt.Errorf("-rates has %q, which is not a number of spans a second up to 10 million", text)
		}
		o.rates = append(o.rates, rate)
	}
	switch {
	case flags.NArg() > 0:
		return o, fmt.Errorf("unknown argument %q", flags.Arg(0))
	case o.load < time.Second || o.load > time.Hour:
		return o, fmt.Errorf("-for %s is not between 1s and 1h", o.load)
	case o.clients < 1 || o.clients > 64:
		return o, fmt.Errorf("-clients %d is not between 1 and 64", o.clients)
	case o.behind < 0 || o.behind > 10_000:
		return o, fmt.Errorf("-behind %d is not between 0 and 10000", o.behind)
	}
	return o, nil
}

// servers are those that have a turn, in this order.
func (o storeOptions) servers() []string {
	names := []string{limit, appliance}
	if o.tempo != "" {
		names = append(names, tempo)
	}
	if o.jaeger {
		names = append(names, jaeger)
	}
	return names
}

// benchStore measures what it costs to keep spans: from the socket until they
// are durable, merged and archived. Each server has its turn alone, with the
// same spans.
func benchStore(ctx context.Context, args []string) (err error) {
	o, err := parseStoreOptions(args)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "bench-store-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	r := newStoreReport(o)
	for _, rate := range o.rates {
		turn := &storeRun{Offered: rate}
		r.Runs = append(r.Runs, turn)
		for _, name := range o.servers() {
			home := filepath.Join(dir, name)
			if err := os.Mkdir(home, 0o700); err != nil {
				return err
			}
			s, err := storeTurn(ctx, o, name, rate, home)
			if err != nil {
				return fmt.Errorf("%s at %.0f spans a second: %w", name, rate, err)
			}
			turn.Servers = append(turn.Servers, s)
			if err := os.RemoveAll(home); err != nil {
				return err
			}
		}
		turn.print(os.Stdout)
	}
	r.judge()
	for _, why := range r.Invalid {
		fmt.Println("INVALID:", why)
	}
	return errors.Join(writeJSON(o.out, r), r.err())
}

// startStoreSide starts one of the servers.
func startStoreSide(ctx context.Context, o storeOptions, name, dir string) (*storeSide, error) {
	switch name {
	case appliance:
		return startStore(ctx, o, dir)
	case tempo:
		return startTempo(ctx, o, dir)
	case jaeger:
		return startJaeger(ctx, o, dir)
	}
	self, addr, err := selfAndPort()
	if err != nil {
		return nil, err
	}
	s := &storeSide{name: limit, url: "http://" + addr + "/v1/traces", unsettled: func(context.Context) (string, error) { return "", nil }}
	return s, startSide(ctx, s, dir, "http://"+addr+"/", nil, self, "discard", "-listen", addr)
}

// storeTurn measures one server under one load.
func storeTurn(ctx context.Context, o storeOptions, name string, rate float64, dir string) (r *storeResult, err error) {
	s, err := startStoreSide(ctx, o, name, dir)
	if s != nil && s.p != nil {
		defer func() {
			if s.p != nil {
				err = errors.Join(err, s.p.stop())
			}
		}()
	}
	if err != nil {
		return nil, err
	}
	r = &storeResult{Name: name, ReadySeconds: s.ready.Seconds(), Bad: map[string]int64{}, Disk: map[string]int64{}, Counted: map[string]counted{}}
	from := int64(0) // the first request that counts
	if name == appliance && o.behind > 0 {
		if from, err = fillBehind(ctx, o, s, dir); err != nil {
			return nil, err
		}
	}
	if err := r.measure(ctx, o, s, rate, from); err != nil {
		return nil, err
	}
	p := s.p
	s.p = nil
	if err := p.stop(); err != nil {
		return nil, err
	}
	for _, part := range s.blocks {
		counting := newTally(r.taken, from, from+r.requests)
		blocks, err := s.eachID(s.parts[part], counting.see)
		if err != nil {
			return nil, fmt.Errorf("count the spans of %s: %w", part, err)
		}
		c := counting.count()
		c.Blocks = blocks
		r.Counted[part] = c
	}
	return r, nil
}

// measure sends spans, waits until the server has done all that is to be done,
// and reads what that took.
func (r *storeResult) measure(ctx context.Context, o storeOptions, s *storeSide, rate float64, from int64) error {
	if err := s.p.forgetPeak(); err != nil {
		return err
	}
	before, err := s.p.cpu()
	if err != nil {
		return err
	}
	disk, err := s.disk(nil)
	if err != nil {
		return err
	}
	began := time.Now()
	got, err := load(ctx, "-url", s.url, "-unique", strconv.FormatInt(from, 10), "-for", o.load.String(),
		"-rate", strconv.FormatFloat(rate/uniqueSpans, 'f', -1, 64), "-clients", strconv.Itoa(o.clients))
	if err != nil {
		return err
	}
	waiting, cancel := context.WithTimeout(ctx, o.settle)
	defer cancel()
	if err := every(waiting, 500*time.Millisecond, func() (string, error) { return s.unsettled(ctx) }); err != nil {
		return fmt.Errorf("wait until all is done: %w\n%s", err, s.p.tail())
	}
	r.DoneSeconds = time.Since(began).Seconds()
	after, err := s.p.cpu()
	if err != nil {
		return err
	}
	if r.PeakBytes, err = s.p.peakMemory(); err != nil {
		return err
	}
	if _, err := s.disk(r.Disk); err != nil {
		return err
	}
	for _, n := range r.Disk {
		r.DiskBytes += n
	}
	r.DiskBytes -= disk
	r.Spans, r.Requests, r.Bad = got.Spans, got.Requests, got.Bad
	r.CPUSeconds = (after - before).Seconds()
	r.SentSeconds = got.Seconds
	r.P99 = quantile(got.Latencies, 0.99)
	r.taken, r.requests = got.Taken, got.Requests
	if len(got.Taken) > 0 { // what was not sent in time has a number too
		r.requests = max(r.requests, slices.Max(got.Taken)-from+1)
	}
	return nil
}

// disk notes how much each part takes, and returns the sum.
func (s *storeSide) disk(parts map[string]int64) (sum int64, err error) {
	counted := map[uint64]bool{}
	for part, dir := range s.parts {
		n, err := usage(dir, counted)
		if err != nil {
			return 0, err
		}
		if parts != nil {
			parts[part] = n
		}
		sum += n
	}
	return sum, nil
}
