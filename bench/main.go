package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"
)

func main() {
	// servers are bound to the thread that starts them, which therefore has to last
	runtime.LockOSThread()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(os.Stderr, "bench:", err)
		}
		stop()
		os.Exit(1)
	}
}

// run is the benchmark itself, or one of the helper processes that it makes of its own program.
func run(ctx context.Context, args []string) error {
	if len(args) > 0 {
		switch args[0] {
		case "discard":
			return serveDiscard(ctx, args[1:])
		case "load":
			return generateLoad(ctx, args[1:], os.Stdout)
		case "tail":
			return compareTail(ctx, args[1:])
		case "store":
			return benchStore(ctx, args[1:])
		}
	}
	return compare(ctx, args)
}

type options struct {
	appliance string
	collector string
	out       string
	only      string
	rounds    int
	phase     time.Duration
	clients   int
	durable   bool
}

func parseOptions(args []string) (options, error) {
	var o options
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.StringVar(&o.appliance, "appliance", "../.cache/appliance", "the appliance's binary")
	flags.StringVar(&o.collector, "collector", "../.cache/peers/bin/otelcol", "the Collector's binary")
	flags.StringVar(&o.out, "out", "../.cache/bench.json", "where to write the results as JSON")
	flags.StringVar(&o.only, "only", "", "run just this workload: "+workloadNames())
	flags.IntVar(&o.rounds, "rounds", 5, "how often each server has its turn, 1 to 50")
	flags.DurationVar(&o.phase, "phase", 2*time.Second, "how long a turn takes, twice: at full speed and at a fixed rate; 100ms to 30s")
	flags.IntVar(&o.clients, "clients", 8, "connections at full speed, 1 to 64")
	flags.BoolVar(&o.durable, "durable", true, "the Collector acknowledges after an fsync of its queue, as the appliance does; false: after the backend")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	switch {
	case flags.NArg() > 0:
		return o, fmt.Errorf("unknown argument %q", flags.Arg(0))
	case o.rounds < 1 || o.rounds > 50:
		return o, fmt.Errorf("-rounds %d is not between 1 and 50", o.rounds)
	case o.phase < 100*time.Millisecond || o.phase > 30*time.Second:
		return o, fmt.Errorf("-phase %s is not between 100ms and 30s", o.phase)
	case o.clients < 1 || o.clients > 64:
		return o, fmt.Errorf("-clients %d is not between 1 and 64", o.clients)
	}
	return o, nil
}
