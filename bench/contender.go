package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

const probability = "0.1"

var (
	//go:embed collector.yaml
	collectorConfig []byte
	//go:embed collector-durable.yaml
	durableCollectorConfig []byte
)

// The servers, in the order of the table.
const (
	appliance = "appliance"
	collector = "collector"
	limit     = "limit"
)

func contenderNames() []string { return []string{appliance, collector, limit} }

// field is the servers of one workload, all running, and the backend behind them.
type field struct {
	backend   string
	grpc      bool // urls are those of OTLP/gRPC
	urls      map[string]string
	processes map[string]*process
	all       []*process
}

// startField starts everything anew, so that memory is that of one workload.
func startField(ctx context.Context, o options, grpc bool, dir string) (*field, error) {
	f := &field{grpc: grpc, urls: map[string]string{}, processes: map[string]*process{}}
	err := errors.Join(f.startBackend(ctx, dir), f.startAppliance(ctx, o, dir), f.startCollector(ctx, o, dir), f.startLimit(ctx, dir))
	if err != nil {
		return nil, errors.Join(err, f.stop())
	}
	return f, nil
}

func (f *field) stop() error {
	var errs []error
	for i := len(f.all) - 1; i >= 0; i-- {
		errs = append(errs, f.all[i].stop())
	}
	return errors.Join(errs...)
}

func (f *field) start(ctx context.Context, name, dir, addr string, env []string, command ...string) error {
	p, err := startProcess(name, dir, env, command...)
	if err != nil {
		return err
	}
	f.all = append(f.all, p)
	f.processes[name] = p
	return p.waitFor(ctx, addr)
}

func (f *field) startBackend(ctx context.Context, dir string) error {
	self, addr, err := selfAndPort()
	if err != nil {
		return err
	}
	f.backend = addr
	return f.start(ctx, "backend", dir, addr, nil, self, "discard", "-listen", addr, "-count")
}

func (f *field) startLimit(ctx context.Context, dir string) error {
	self, addr, err := selfAndPort()
	if err != nil {
		return err
	}
	f.urls[limit] = f.url(addr, addr)
	return f.start(ctx, limit, dir, addr, nil, self, "discard", "-listen", addr)
}

func (f *field) startAppliance(ctx context.Context, o options, dir string) error {
	intake, err := freePort()
	if err != nil {
		return err
	}
	read, err := freePort()
	if err != nil {
		return err
	}
	grpc, err := freePort()
	if err != nil {
		return err
	}
	f.urls[appliance] = f.url(intake, grpc)
	return f.start(ctx, appliance, dir, intake, []string{
		"APPLIANCE_DATA_DIR=" + filepath.Join(dir, "data"),
		"APPLIANCE_RECEIVER_LISTEN=" + intake,
		"APPLIANCE_RECEIVER_GRPC_LISTEN=" + grpc,
		"APPLIANCE_HTTP_LISTEN=" + read,
		"APPLIANCE_SAMPLER_PROBABILITY=" + probability,
		"APPLIANCE_FORWARDER_TEMPO_URL=http://" + f.backend + "/" + appliance,
		// the Collector's queue is empty as soon as the backend has answered
		"APPLIANCE_FORWARDER_SETTLE=5s",
		"APPLIANCE_FORWARDER_DRAIN_DEADLINE=0s",
		"APPLIANCE_LOG_FORMAT=json",
		"APPLIANCE_LOG_LEVEL=warn",
	}, o.appliance, "serve")
}

func (f *field) startCollector(ctx context.Context, o options, dir string) error {
	addr, err := freePort()
	if err != nil {
		return err
	}
	text := collectorConfig
	if o.durable {
		text = durableCollectorConfig
	}
	config := filepath.Join(dir, "collector.yaml")
	if err := os.WriteFile(config, text, 0o600); err != nil {
		return err
	}
	grpc, err := freePort()
	if err != nil {
		return err
	}
	f.urls[collector] = f.url(addr, grpc)
	return f.start(ctx, collector, dir, addr, []string{
		"BENCH_LISTEN=" + addr,
		"BENCH_GRPC_LISTEN=" + grpc,
		"BENCH_BACKEND=http://" + f.backend + "/" + collector,
		"BENCH_QUEUE=" + filepath.Join(dir, "queue"),
	}, o.collector, "--config", config)
}

// url is where requests go to, by the kind of the workload.
func (f *field) url(http, grpc string) string {
	if f.grpc {
		return "http://" + grpc + "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
	}
	return "http://" + http + "/v1/traces"
}

func selfAndPort() (self, addr string, err error) {
	if self, err = os.Executable(); err != nil {
		return "", "", err
	}
	addr, err = freePort()
	return self, addr, err
}

// kept waits until the backend has got all that is under way, queued or not,
// and returns what came from a server.
func (f *field) kept(ctx context.Context, name string) (received, error) {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	const quiet = 10 // ticks: on a busy machine a server may pause for some of them
	last, same := received{Requests: -1}, 0
	for range 300 {
		counts, err := readCounts(ctx, f.backend)
		if err != nil {
			return received{}, err
		}
		if now := counts[name]; now != last {
			last, same = now, 0
		} else if same++; same == quiet {
			return now, nil
		}
		select {
		case <-ctx.Done():
			return received{}, ctx.Err()
		case <-tick.C:
		}
	}
	return received{}, fmt.Errorf("%s goes on sending to the backend after its clients have ended", name)
}
