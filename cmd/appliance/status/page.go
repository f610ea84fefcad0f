package status

import (
	"fmt"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"appliance/internal/pages"
	"appliance/internal/plural"
)

// Page is the status as the page shows it: the same facts as Text.
func Page(s Status) pages.Status {
	return pages.Status{
		Uptime: time.Duration(s.Uptime * float64(time.Second)), Ready: s.Ready, NotReady: whyRefusing(s),
		Flow: flowOf(s), Warnings: Warnings(s, time.Now()), Parts: partsOf(s), Text: Text(s, nil),
	}
}

// RefusedPrefix begins what /ready and the status say of a refusal.
const RefusedPrefix = "spans are refused: "

// whyRefusing is why spans are refused, without saying again that they are.
func whyRefusing(s Status) string { return strings.TrimPrefix(s.NotReady, RefusedPrefix) }

// flowOf is the way of a span: what is where, and what goes no further.
func flowOf(s Status) []pages.Stage {
	l := s.Ledger
	out := []pages.Stage{
		{Name: "received", Figure: humanize.Comma(l.Received), Note: "spans", Trouble: !s.Ready, Leaves: leaving(Sum(l.Rejected), "rejected")},
		{
			Name: "sampled", Figure: SamplingText(s.Sampler.Probability, s.Sampler.TargetSpansPerSecond), Note: humanize.Comma(l.Kept) + " kept",
			Trouble: s.Sampler.Pressure, Leaves: leaving(Sum(l.SampledOut)+Sum(l.RuledOut), "left out"),
		},
		{
			Name: "spool", Figure: humanize.Comma(l.Pending), Note: "wait; " + humanize.IBytes(uint64(s.Spool.Bytes)),
			Trouble: l.Damaged+l.Unaccounted+l.Stuck > 0 || fill(s) >= FillsFrom, Leaves: leaving(l.Damaged+l.Unaccounted, "lost"),
		},
	}
	if s.Store != nil {
		out = append(out, pages.Stage{
			Name: "blocks here", Figure: humanize.Comma(int64(s.Store.Blocks)), Note: humanize.IBytes(uint64(s.Store.Bytes)),
			Trouble: s.Store.Unreadable > 0, Leaves: leaving(Sum(l.Discarded), "discarded"),
		})
	} else {
		out = append(out, pages.Stage{
			Name: "Tempo", Figure: humanize.Comma(l.Proven), Note: "spans proven", Trouble: !s.Tempo.Ready, Leaves: leaving(Sum(l.Discarded), "discarded"),
		})
	}
	if a := s.Archive; a != nil && a.Mode != "" {
		note := "headroom unknown"
		if a.HeadroomSeconds != nil {
			note = "headroom " + roughly(time.Duration(*a.HeadroomSeconds)*time.Second)
		}
		out = append(out, pages.Stage{
			Name: "archive", Figure: humanize.IBytes(uint64(a.StoreBytes)), Note: note,
			Trouble: a.NotRunning != "" || len(a.Holds) > 0 || len(a.Gaps) > 0 || a.isLate(),
		})
	}
	return out
}

func leaving(n int64, what string) string {
	if n == 0 {
		return ""
	}
	return humanize.Comma(n) + " " + what
}

// roughly is a duration in its largest unit.
func roughly(d time.Duration) string {
	switch {
	case d >= 48*time.Hour:
		return fmt.Sprintf("%d d", d/(24*time.Hour))
	case d >= 2*time.Hour:
		return fmt.Sprintf("%d h", d/time.Hour)
	case d >= 2*time.Minute:
		return fmt.Sprintf("%d min", d/time.Minute)
	}
	return fmt.Sprintf("%d s", d/time.Second)
}

// fill is how full the spool is, from 0 to 1.
func fill(s Status) float64 { return float64(s.Spool.Bytes) / float64(max(s.Spool.MaxBytes, 1)) }

// partsOf are the tables of the page.
func partsOf(s Status) []pages.Part {
	count := func(name string, n int64, note string) pages.Row {
		return pages.Row{Name: name, Value: humanize.Comma(n), Note: note}
	}
	l := s.Ledger
	account := pages.Part{Title: "Every span", Rows: []pages.Row{
		count("received", l.Received, ""), count("sampled out", Sum(l.SampledOut), reasons(l.SampledOut)),
		count("ruled out", Sum(l.RuledOut), reasons(l.RuledOut)), count("rejected", Sum(l.Rejected), reasons(l.Rejected)),
		count("kept", l.Kept, ""), count("of these pending", l.Pending, pendingText(s)),
	}}
	if s.Tail != nil {
		account.Rows = append(account.Rows, count("of these undecided", l.Undecided, undecidedText(s.Tail)))
	}
	account.Rows = append(account.Rows,
		count("stuck", l.Stuck, ""), count("proven", l.Proven, ""), count("discarded", Sum(l.Discarded), reasons(l.Discarded)), count("damaged", l.Damaged, ""),
		count("unaccounted", l.Unaccounted, ""), count("acknowledged loss", l.AcknowledgedLoss, ""),
	)
	storage := pages.Part{Title: "Storage", Rows: []pages.Row{{Name: "storage", Value: tempoText(s.Tempo)}, {Name: "spool", Value: spoolText(s.Spool)}}}
	add := func(name, value string) { storage.Rows = append(storage.Rows, pages.Row{Name: name, Value: value}) }
	if s.Tail != nil {
		add("tail", tailText(s.Tail))
	}
	if s.Store != nil {
		add("blocks", storeText(s.Store))
	}
	if f := s.Forwarder; f != nil {
		add("forwarder", fmt.Sprintf("%d of %s in flight, %s sent again", f.InFlight, plural.Of(int(f.Limit), "request"), plural.Of(f.ResentSpans, "span")))
	}
	if a := s.Archive; a != nil && (a.Mode != "" || a.NotRunning != "") {
		add("archive", archiveText(a))
		if a.Mode != "" {
			add("archived", archivedText(a))
		}
		if a.Purge != nil {
			add("purge", purgeText(a.Purge))
		}
	}
	for _, d := range s.Disks {
		add("disk", strings.TrimSuffix(disksText([]Disk{d}), " (SHORT)"))
	}
	return []pages.Part{account, storage}
}
