package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// storeReport is the result of a run, as it is written to a file.
type storeReport struct {
	At         time.Time   `json:"at"`
	CPUs       int         `json:"cpus"`
	Load       string      `json:"for"`
	MergeAfter string      `json:"merge_after"`
	Behind     int         `json:"blocks_behind"`
	Runs       []*storeRun `json:"runs"`
	Invalid    []string    `json:"invalid"` // why the figures are not to be used
}

// storeRun is one rate.
type storeRun struct {
	Offered float64        `json:"offered_spans_per_second"` // 0: as many as were taken
	Servers []*storeResult `json:"servers"`
}

// storeResult is what was measured of a server.
type storeResult struct {
	Name         string  `json:"name"`
	ReadySeconds float64 `json:"ready_seconds"` // from its start
	Spans        int64   `json:"spans"`         // acknowledged
	Requests     int64   `json:"requests"`
	CPUSeconds   float64 `json:"cpu_seconds"`
	SentSeconds  float64 `json:"sent_seconds"`
	// from the first request until all was merged and archived
	DoneSeconds float64            `json:"done_seconds"`
	PeakBytes   int64              `json:"peak_rss_bytes"`
	DiskBytes   int64              `json:"disk_bytes"` // that the spans take in the end, in all
	Disk        map[string]int64   `json:"disk_bytes_by_part"`
	P99         float64            `json:"p99_seconds"`
	Bad         map[string]int64   `json:"bad_answers"`
	Counted     map[string]counted `json:"counted"` // by where the blocks are

	taken    []int64
	requests int64 // numbers that were used
}

func newStoreReport(o storeOptions) *storeReport {
	return &storeReport{
		At: time.Now().UTC(), CPUs: runtime.NumCPU(), Load: o.load.String(), MergeAfter: o.merge.String(), Behind: o.behind, Invalid: []string{},
	}
}

func (r *storeResult) perCPUSecond() float64 { return ratio(float64(r.Spans), r.CPUSeconds) }

func (r *storeResult) perSpan(bytes int64) float64 { return ratio(float64(bytes), float64(r.Spans)) }

func (r *storeRun) server(name string) *storeResult {
	i := slices.IndexFunc(r.Servers, func(s *storeResult) bool { return s.Name == name })
	if i < 0 {
		return nil
	}
	return r.Servers[i]
}

func (r *storeRun) print(out io.Writer) {
	offered := "as many as were taken"
	if r.Offered > 0 {
		offered = short(r.Offered) + " spans a second"
	}
	fmt.Fprintf(out, "%s offered, 460 bytes each, 512 a request\n", offered)
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "server\tkept\tspans/s\tspans/CPU-s\tpeak RSS\tbytes/span\tof these\tblocks\tready\tp99\tdone after\t")
	for _, s := range r.Servers {
		var parts []string
		for _, part := range slices.Sorted(maps.Keys(s.Disk)) {
			parts = append(parts, fmt.Sprintf("%s %.0f", part, s.perSpan(s.Disk[part])))
		}
		fmt.Fprintf(t, "%s\t%d\t%s\t%s\t%.1f MB\t%.0f\t%s\t%d\t%.2f s\t%.1f ms\t%.0f s\t\n", s.Name, s.Spans,
			short(ratio(float64(s.Spans), s.SentSeconds)), short(s.perCPUSecond()), float64(s.PeakBytes)/1e6, s.perSpan(s.DiskBytes), strings.Join(parts, ", "),
			s.Counted["blocks"].Blocks, s.ReadySeconds, 1e3*s.P99, s.DoneSeconds)
	}
	_ = t.Flush() // to a terminal or a log
	for _, s := range r.Servers {
		for _, part := range slices.Sorted(maps.Keys(s.Counted)) {
			c := s.Counted[part]
			fmt.Fprintf(out, "%s, %s: %d of %d acknowledged spans found once, %d missing, %d twice, %d invented; %d refused\n",
				s.Name, part, c.Found, s.Spans, c.Missing, c.Twice, c.Invented, s.refused())
		}
	}
	a := r.server(appliance)
	for _, peer := range []struct{ name, whose string }{{tempo, "Tempo's"}, {jaeger, "Jaeger's"}} {
		if p := r.server(peer.name); p != nil {
			fmt.Fprintf(out, "appliance: %.1f times %s spans per CPU-second, %.0f%% of its memory, %.0f%% of its bytes on disk\n",
				ratio(a.perCPUSecond(), p.perCPUSecond()), peer.whose, 100*ratio(float64(a.PeakBytes), float64(p.PeakBytes)),
				100*ratio(a.perSpan(a.DiskBytes), p.perSpan(p.DiskBytes)))
		}
	}
	fmt.Fprintf(out, "appliance: %.1f%% of the spans per CPU-second of a server that reads and discards\n\n",
		100*ratio(a.perCPUSecond(), r.server(limit).perCPUSecond()))
}

func (r *storeResult) refused() (n int64) {
	for _, times := range r.Bad {
		n += times * uniqueSpans
	}
	return n
}

// judge says what makes the figures useless: the appliance lost, doubled or
// invented something. What the others do of that is printed.
func (r *storeReport) judge() {
	for _, run := range r.Runs {
		a := run.server(appliance)
		for part, c := range a.Counted {
			if !c.right() {
				r.Invalid = append(r.Invalid, fmt.Sprintf("%s of the appliance: %d spans are missing, %d there twice, %d invented", part, c.Missing, c.Twice, c.Invented))
			}
		}
		for _, s := range run.Servers {
			if s.Spans == 0 || s.CPUSeconds == 0 {
				r.Invalid = append(r.Invalid, s.Name+": nothing was measured")
			}
		}
	}
}

func (r *storeReport) err() error {
	if len(r.Invalid) > 0 {
		return errors.New("the run is invalid, its figures say nothing")
	}
	return nil
}
