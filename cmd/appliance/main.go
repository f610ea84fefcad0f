// Command appliance receives traces over OTLP, samples them, and keeps them on
// disk in blocks of its own, which it archives and answers queries from. It can
// bring them to a Grafana Tempo elsewhere instead.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	go func() {
		<-signals
		// A second signal has its default effect: it ends the process at once.
		// It has that before anybody can see that we stop.
		signal.Stop(signals)
		cancel()
	}()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}
