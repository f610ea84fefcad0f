package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"time"
)

// compare runs every workload against every server and prints what came of it.
func compare(ctx context.Context, args []string) (err error) {
	o, err := parseOptions(args)
	if err != nil {
		return err
	}
	chosen, err := chooseWorkloads(o.only)
	if err != nil {
		return err
	}
	for _, bin := range []string{o.appliance, o.collector} {
		if _, err := os.Stat(bin); err != nil {
			return fmt.Errorf("%w; build it first, or name another", err)
		}
	}
	dir, err := os.MkdirTemp("", "bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()

	r := newReport(o)
	for _, w := range chosen {
		result, err := measureWorkload(ctx, o, w, filepath.Join(dir, w.Name))
		if err != nil {
			return fmt.Errorf("workload %s: %w", w.Name, err)
		}
		r.add(result)
		r.printWorkload(os.Stdout, result)
	}
	r.printVerdict(os.Stdout)
	return errors.Join(writeJSON(o.out, r), r.err())
}

func measureWorkload(ctx context.Context, o options, w workload, dir string) (result workloadResult, err error) {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return result, err
	}
	file, size, err := w.build(dir)
	if err != nil {
		return result, err
	}
	f, err := startField(ctx, o, w.GRPC, dir)
	if err != nil {
		return result, err
	}
	defer func() { err = errors.Join(err, f.stop()) }()

	result = newWorkloadResult(w, size)
	for _, name := range contenderNames() {
		if err := noteStart(f.processes[name], result.server(name)); err != nil {
			return result, err
		}
		if err := sendOnce(ctx, f, file, result.server(name)); err != nil {
			return result, err
		}
	}
	for round := range o.rounds {
		names := contenderNames()
		for i := range names { // each is first once, so that none always follows the same
			name := names[(i+round)%len(names)]
			if err := takeTurn(ctx, o, w, f, file, result.server(name)); err != nil {
				return result, err
			}
		}
	}
	for _, name := range contenderNames() {
		s := result.server(name)
		if s.PeakBytes, err = f.processes[name].peakMemory(); err != nil {
			return result, err
		}
	}
	return result, nil
}

// sendOnce warms a server up with each request once, and notes how many spans it kept of them.
func sendOnce(ctx context.Context, f *field, file string, s *serverResult) error {
	got, err := load(ctx, "-url", f.urls[s.Name], "-requests", file, "-once")
	if err != nil {
		return err
	}
	s.noteBad(got)
	s.Sent = got.Spans
	if s.Name == limit {
		return nil
	}
	kept, err := f.kept(ctx, s.Name)
	if err != nil {
		return err
	}
	if kept.Bad > 0 {
		s.Bad[s.Name+" sent the backend what cannot be decoded"] += kept.Bad
	}
	s.Kept = kept.Spans
	return nil
}

// noteStart notes the memory that it took to start, and forgets it.
func noteStart(p *process, s *serverResult) (err error) {
	if s.StartPeakBytes, err = p.peakMemory(); err != nil {
		return err
	}
	return p.forgetPeak()
}

// takeTurn measures a server at full speed and at a fixed rate.
func takeTurn(ctx context.Context, o options, w workload, f *field, file string, s *serverResult) error {
	p := f.processes[s.Name]
	before, err := p.cpu()
	if err != nil {
		return err
	}
	fast, err := load(ctx, "-url", f.urls[s.Name], "-requests", file, "-clients", strconv.Itoa(o.clients), "-for", o.phase.String())
	if err != nil {
		return err
	}
	if s.Name != limit { // what is queued is part of the work
		if _, err := f.kept(ctx, s.Name); err != nil {
			return err
		}
	}
	after, err := p.cpu()
	if err != nil {
		return err
	}
	s.noteFast(fast, after-before)

	steady, err := load(ctx, "-url", f.urls[s.Name], "-requests", file,
		"-rate", strconv.FormatFloat(w.Rate, 'f', -1, 64), "-for", o.phase.String())
	if err != nil {
		return err
	}
	s.noteSteady(steady)
	if s.Name != limit { // so that nothing of it is left for the next turn
		_, err = f.kept(ctx, s.Name)
	}
	return err
}

// load runs a load generator to its end.
func load(ctx context.Context, args ...string) (outcome, error) {
	var got outcome
	self, err := os.Executable()
	if err != nil {
		return got, err
	}
	cmd := exec.CommandContext(ctx, self, append([]string{"load"}, args...)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return got, fmt.Errorf("generate load: %w: %s", err, stderr.Bytes())
	}
	if err := json.Unmarshal(out, &got); err != nil {
		return got, fmt.Errorf("read load generator: %w", err)
	}
	return got, nil
}

// serverResult is what was measured of a server under a workload.
type serverResult struct {
	Name string `json:"name"`

	Sent int64 `json:"spans_sent_once"` // each request once
	Kept int64 `json:"spans_kept_of_these"`

	Spans       int64     `json:"spans"` // at full speed, all rounds
	Requests    int64     `json:"requests"`
	CPUSeconds  float64   `json:"cpu_seconds"`
	WallSeconds float64   `json:"wall_seconds"`
	Rounds      []float64 `json:"spans_per_cpu_second_by_round"`

	StartPeakBytes int64 `json:"start_peak_rss_bytes"` // until the port was open
	PeakBytes      int64 `json:"peak_rss_bytes"`       // from then on

	P50 float64 `json:"p50_seconds"` // at the fixed rate
	P99 float64 `json:"p99_seconds"`

	Bad map[string]int64 `json:"bad_answers"`

	latencies []time.Duration
}

func (s *serverResult) noteFast(o outcome, cpu time.Duration) {
	s.noteBad(o)
	s.Spans += o.Spans
	s.Requests += o.Requests
	s.CPUSeconds += cpu.Seconds()
	s.WallSeconds += o.Seconds
	if cpu > 0 {
		s.Rounds = append(s.Rounds, float64(o.Spans)/cpu.Seconds())
	}
}

func (s *serverResult) noteSteady(o outcome) {
	s.noteBad(o)
	s.latencies = append(s.latencies, o.Latencies...)
	slices.Sort(s.latencies)
	s.P50, s.P99 = quantile(s.latencies, 0.50), quantile(s.latencies, 0.99)
}

func (s *serverResult) noteBad(o outcome) {
	for trouble, n := range maps.All(o.Bad) {
		s.Bad[trouble] += n
	}
}

// perCPUSecond is 0 when no CPU time was seen.
func (s *serverResult) perCPUSecond() float64 {
	if s.CPUSeconds == 0 {
		return 0
	}
	return float64(s.Spans) / s.CPUSeconds
}

func quantile(sorted []time.Duration, q float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)].Seconds()
}
