package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"text/tabwriter"
	"time"
)

// report is the result of a run, as it is written to a file.
type report struct {
	At        time.Time        `json:"at"`
	CPUs      int              `json:"cpus"`
	Rounds    int              `json:"rounds"`
	Phase     string           `json:"phase"`
	Clients   int              `json:"clients"`
	Durable   bool             `json:"collector_queue_fsynced"`
	Workloads []workloadResult `json:"workloads"`
	// why the figures are not to be used; empty when they are
	Invalid []string `json:"invalid"`
}

type workloadResult struct {
	Name        string          `json:"name"`
	Spans       int             `json:"spans_per_request"`
	PlainBytes  int             `json:"bytes_per_request_uncompressed"`
	OfferedRate float64         `json:"offered_requests_per_second"`
	Servers     []*serverResult `json:"servers"`
}

func newReport(o options) *report {
	return &report{
		At: time.Now().UTC(), CPUs: runtime.NumCPU(), Rounds: o.rounds, Phase: o.phase.String(), Clients: o.clients, Durable: o.durable, Invalid: []string{},
	}
}

func newWorkloadResult(w workload, size int) workloadResult {
	r := workloadResult{Name: w.Name, Spans: w.Spans, PlainBytes: size, OfferedRate: w.Rate}
	for _, name := range contenderNames() {
		r.Servers = append(r.Servers, &serverResult{Name: name, Bad: map[string]int64{}})
	}
	return r
}

func (r workloadResult) server(name string) *serverResult {
	return r.Servers[slices.IndexFunc(r.Servers, func(s *serverResult) bool { return s.Name == name })]
}

func (r *report) add(w workloadResult) {
	r.Workloads = append(r.Workloads, w)
	for _, s := range w.Servers {
		for _, trouble := range slices.Sorted(maps.Keys(s.Bad)) {
			r.Invalid = append(r.Invalid, fmt.Sprintf("%s, %s: %d times %s", w.Name, s.Name, s.Bad[trouble], trouble))
		}
		if s.Spans == 0 || s.CPUSeconds == 0 {
			r.Invalid = append(r.Invalid, fmt.Sprintf("%s, %s: nothing was measured", w.Name, s.Name))
		}
	}
	if a, c := w.server(appliance), w.server(collector); a.Kept != c.Kept || a.Sent != c.Sent || a.Kept == 0 {
		r.Invalid = append(r.Invalid, fmt.Sprintf("%s: of the same spans the appliance kept %d of %d, the collector %d of %d",
			w.Name, a.Kept, a.Sent, c.Kept, c.Sent))
	}
}

func (r *report) printWorkload(out io.Writer, w workloadResult) {
	fmt.Fprintf(out, "%s: %d spans of %d bytes a request, latency at %g requests a second\n",
		w.Name, w.Spans, w.PlainBytes/w.Spans, w.OfferedRate)
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "server\tspans/CPU-s\tslowest..fastest round\tspans/s\tpeak RSS\tat start\tp50\tp99\tkept\t")
	for _, s := range w.Servers {
		kept := "-"
		if s.Name != limit && s.Sent > 0 {
			kept = fmt.Sprintf("%.2f%%", 100*float64(s.Kept)/float64(s.Sent))
		}
		fmt.Fprintf(t, "%s\t%s\t%s..%s\t%s\t%.1f MiB\t%.1f MiB\t%.2f ms\t%.2f ms\t%s\t\n", s.Name,
			short(s.perCPUSecond()), short(lowest(s.Rounds)), short(highest(s.Rounds)), short(ratio(float64(s.Spans), s.WallSeconds)),
			mebi(s.PeakBytes), mebi(s.StartPeakBytes), 1e3*s.P50, 1e3*s.P99, kept)
	}
	_ = t.Flush() // to a terminal or a log
	a, c, l := w.server(appliance), w.server(collector), w.server(limit)
	fmt.Fprintf(out, "appliance: %.1f times the collector's spans per CPU-second, %.0f%% of the limit's, %.0f%% of the collector's memory\n\n",
		ratio(a.perCPUSecond(), c.perCPUSecond()), 100*ratio(a.perCPUSecond(), l.perCPUSecond()),
		100*ratio(float64(a.PeakBytes), float64(c.PeakBytes)))
}

func (r *report) printVerdict(out io.Writer) {
	for _, why := range r.Invalid {
		fmt.Fprintln(out, "INVALID:", why)
	}
}

func (r *report) err() error {
	if len(r.Invalid) > 0 {
		return errors.New("the run is invalid, its figures say nothing")
	}
	return nil
}

func writeJSON(path string, r any) error {
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, append(b, '\n'), 0o644)
}

func mebi(bytes int64) float64 { return float64(bytes) / (1 << 20) }

func ratio(a, b float64) float64 {
	if b == 0 {
		return 0
	}
	return a / b
}

func lowest(v []float64) float64 {
	if len(v) == 0 {
		return 0
	}
	return slices.Min(v)
}

func highest(v []float64) float64 {
	if len(v) == 0 {
		return 0
	}
	return slices.Max(v)
}

// short prints a figure of thousands or millions with three digits.
func short(v float64) string {
	switch {
	case v >= 1e6:
		return fmt.Sprintf("%.2fM", v/1e6)
	case v >= 1e3:
		return fmt.Sprintf("%.0fk", v/1e3)
	default:
		return fmt.Sprintf("%.0f", v)
	}
}
