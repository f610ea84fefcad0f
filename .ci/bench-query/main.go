// Command bench-query asks the appliance and a real Tempo the same about the same
// block, cold and warm, and prints what an answer costs in CPU time, in time, and
// both servers' peak memory.
//
//	go run ./.ci/bench-query [-spans 1000000] [-rounds 3] [-times 10]
//	go run ./.ci/bench-query -day 300 [-spans 200000] [-rate 10000] [-for 1m]
//
// The block is one that the appliance's builder made of the spans of twenty
// services. Tempo has a copy, and a second one for metrics, since it reads those
// from blocks of another replication factor. Cold: the block's files were dropped
// from the page cache before the request. Warm: the requests after it. A run in
// which the two answer differently is invalid, and says so.
//
// With -day the appliance alone is asked for traces by id and for the last hour, with
// a day in so many blocks, which are archived, while spans come in.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"time"
)

type options struct {
	appliance, tempo string
	spans            int
	rounds, times    int
	only, keep       string
	day, rate        int
	length           time.Duration
}

func main() {
	runtime.LockOSThread() // servers die with the thread that starts them
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	err := run(ctx, os.Args[1:])
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench-query:", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) (err error) {
	var o options
	flags := flag.NewFlagSet("bench-query", flag.ContinueOnError)
	flags.StringVar(&o.appliance, "appliance", ".cache/appliance", "the appliance's binary")
	flags.StringVar(&o.tempo, "tempo", ".cache/peers/bin/tempo", "the peer; .ci/peers/build tempo makes it")
	flags.IntVar(&o.spans, "spans", 0, "spans in the block, or in each of a day (default 1,000,000, or 200,000)")
	flags.IntVar(&o.rounds, "rounds", 3, "how often each server is started")
	flags.IntVar(&o.times, "times", 10, "warm requests of each kind in a round")
	flags.StringVar(&o.only, "only", "", "only queries whose name has this in it")
	flags.StringVar(&o.keep, "keep", "", "a new directory that the block and the logs stay in")
	flags.IntVar(&o.day, "day", 0, "blocks of a day, about which the appliance alone is asked")
	flags.IntVar(&o.rate, "rate", 10_000, "spans a second that come in meanwhile")
	flags.DurationVar(&o.length, "for", time.Minute, "how long is asked about the day")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if o.spans == 0 {
		o.spans = 1_000_000
		if o.day > 0 {
			o.spans = 200_000
		}
	}
	if o.spans < 1000 || o.rounds < 1 || o.times < 1 || o.rate < 1 || o.length < time.Second || flags.NArg() > 0 {
		return errors.New("give at least 1,000 spans, one round, one request, one span a second and a second, and no other arguments")
	}
	if len(chosen(o.only)) == 0 {
		return fmt.Errorf("-only %q is in the name of no query; there are:\n  %s", o.only, strings.Join(names(), "\n  "))
	}
	dir := o.keep
	if dir == "" {
		if dir, err = os.MkdirTemp("", "bench-query"); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	}
	if o.day > 0 {
		return runDay(ctx, &o, dir)
	}
	b, err := makeBlock(ctx, dir, o.spans)
	if err != nil {
		return err
	}
	fmt.Printf("%s, %d CPUs, load %s; %d spans in %d traces, one block of %.0f MB for both\n\n",
		runtime.Version(), runtime.NumCPU(), load(), o.spans, b.traces, float64(b.bytes)/1e6)
	// Tempo copies its block nowhere while it is asked, so the appliance does not either.
	ours := &contender{name: "appliance", start: func() (*server, error) {
		return startAppliance(dir, o.appliance, "APPLIANCE_ARCHIVE_ENABLED=false")
	}}
	theirs := &contender{name: "Tempo", start: func() (*server, error) { return startTempo(dir, o.tempo) }}
	for range o.rounds {
		for _, c := range []*contender{theirs, ours} {
			if err := c.round(ctx, &o, b); err != nil {
				return fmt.Errorf("ask %s: %w", c.name, err)
			}
		}
	}
	return report(os.Stdout, &o, ours, theirs)
}

// load is the machine's load average, by which the figures have to be read.
func load() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	return strings.Fields(string(text))[0]
}
