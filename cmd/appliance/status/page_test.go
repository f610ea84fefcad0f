package status

import (
	"strings"
	"testing"
	"time"

	"appliance/archive"
	"appliance/internal/pages"
	"appliance/internal/remotewrite"
	"appliance/internal/tail"
)

// Of everything that can be wrong the page says what to do.
func TestStatusWarnings(t *testing.T) {
	now := time.Now()
	s := busy()
	if w := Warnings(s, now); len(w) != 0 {
		t.Errorf("all is well, and it warns of %+v", w)
	}
	headroom := 600.0
	for name, c := range map[string]struct {
		change func(*Status)
		want   string
		grave  bool
	}{
		"refusing":    {func(s *Status) { s.Ready, s.NotReady = false, "spans are refused: the spool is full" }, "Spans are refused: the spool is full", true},
		"damaged":     {func(s *Status) { s.Ledger.Damaged = 7 }, "7 spans in the spool cannot be read", true},
		"unaccounted": {func(s *Status) { s.Ledger.Unaccounted = 1 }, "unaccounted", true},
		"stuck":       {func(s *Status) { s.Ledger.Stuck = 3 }, "3 spans are set aside", true},
		"filling":     {func(s *Status) { s.Spool.Bytes = s.Spool.MaxBytes * 9 / 10 }, "90 % full", true},
		"pressure":    {func(s *Status) { s.Sampler.Pressure = true }, "Fewer traces", false},
		"disk": {func(s *Status) {
			s.Disks = []Disk{{Name: "data", Dir: "/data", FreeBytes: 1 << 20, ReservedBytes: 1 << 30}}
		}, "Disk data is short: 1.0 MiB free", true},
		"block":   {func(s *Status) { s.Store.Unreadable = 2 }, "2 blocks on this disk", true},
		"tempo":   {func(s *Status) { s.Tempo.Ready, s.Store = false, nil }, "Tempo does not take spans", true},
		"hold":    {func(s *Status) { s.Archive.Holds = map[archive.Hold]string{archive.HoldRoom: "the archive is full"} }, "the archive is full", true},
		"due":     {func(s *Status) { s.Archive.HeadroomSeconds, s.Archive.PendingBlocks = &headroom, 2 }, "due in 10 min", true},
		"gap":     {func(s *Status) { s.Archive.Gaps = make([]archive.Gap, 1) }, "1 gap", true},
		"failure": {func(s *Status) { s.Archive.LastFailure, s.Archive.LastFailureAt = "no route", now }, "no route", false},
		"metrics": {func(s *Status) { s.RemoteWrite = &remotewrite.Status{LastError: "it answers 404"} }, "it answers 404", false},
	} {
		t.Run(name, func(t *testing.T) {
			s := busy()
			store := *s.Store
			s.Store, s.Archive = &store, &Archive{Status: archive.Status{Mode: "embedded"}}
			c.change(&s)
			w := Warnings(s, now)
			if len(w) != 1 || !strings.Contains(w[0].What, c.want) || w[0].Grave != c.grave || w[0].Do == "" {
				t.Errorf("it says %+v, want %q", w, c.want)
			}
			if troubled := troubles(Page(s)); c.grave && len(w) == 1 && name != "disk" && troubled == 0 {
				t.Error("the picture shows no trouble")
			}
		})
	}
}

func troubles(p pages.Status) (n int) {
	for _, stage := range p.Flow {
		if stage.Trouble {
			n++
		}
	}
	return n
}

// The page has the facts of the text.
func TestStatusPage(t *testing.T) {
	s := busy()
	s.Tail, s.Ledger.Undecided = &tail.Status{Traces: 12, Verdicts: 345}, 78
	p := Page(s)
	if p.Text != Text(s, nil) || !p.Ready || p.Uptime < time.Hour {
		t.Errorf("%+v", p)
	}
	var all strings.Builder
	for _, part := range p.Parts {
		for _, r := range part.Rows {
			all.WriteString(r.Name + " " + r.Value + " " + r.Note + "\n")
		}
	}
	for _, want := range []string{"received 1,234,567", "sampled out 1,000,000 random 999,000, rate 1,000", "of these pending 4,567", "of these undecided 78 12 traces that no tail rule has decided on yet", "tail 345 verdicts", "spool 64 MiB of 4.0 GiB", "blocks 12 blocks"} {
		if !strings.Contains(all.String(), want) {
			t.Errorf("%q is not among\n%s", want, all.String())
		}
	}
	if len(p.Flow) != 4 || p.Flow[1].Leaves != "1,000,000 left out" || p.Flow[1].Figure != "10 % of traces" {
		t.Errorf("flow %+v", p.Flow)
	}
}
