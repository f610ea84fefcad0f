package status

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"appliance/archive"
	"appliance/internal/blockstore"
	"appliance/internal/plural"
	"appliance/internal/tail"
)

// Text is a status for a person. last, of a second before, gives rates; nil for none.
func Text(s Status, last *Status) string {
	var b strings.Builder
	row := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "%-12s %s\n", name, fmt.Sprintf(format, args...))
	}
	span := func(name string, n, before int64, note string) {
		rate := ""
		if last != nil && n != before {
			rate = fmt.Sprintf("%+d", n-before)
		}
		line := fmt.Sprintf("  %-14s %15s %10s  %s", name, humanize.Comma(n), rate, note)
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	ready := "ready"
	if !s.Ready {
		ready = "not ready: " + s.NotReady
	}
	row("appliance", "%s, up %s, %s", s.Version, (time.Duration(s.Uptime) * time.Second).String(), ready)
	row("storage", "%s", tempoText(s.Tempo))
	sampling := SamplingText(s.Sampler.Probability, s.Sampler.TargetSpansPerSecond)
	if s.Sampler.Pressure {
		sampling += ", lowered since the spool fills"
	}
	row("sampling", "%s", sampling)
	b.WriteString("\nspans\n")
	was := &s
	if last != nil {
		was = last
	}
	l, w := s.Ledger, was.Ledger
	span("received", l.Received, w.Received, "")
	span("sampled out", Sum(l.SampledOut), Sum(w.SampledOut), reasons(l.SampledOut))
	if len(l.RuledOut) > 0 {
		span("ruled out", Sum(l.RuledOut), Sum(w.RuledOut), reasons(l.RuledOut))
	}
	span("rejected", Sum(l.Rejected), Sum(w.Rejected), reasons(l.Rejected))
	span("kept", l.Kept, w.Kept, "")
	span("  pending", l.Pending, w.Pending, pendingText(s))
	if s.Tail != nil {
		span("    undecided", l.Undecided, w.Undecided, undecidedText(s.Tail))
	}
	if l.Stuck != 0 {
		span("  stuck", l.Stuck, w.Stuck, "tempo does not take them; see `appliance spool stuck list`")
	}
	span("  proven", l.Proven, w.Proven, "")
	span("  discarded", Sum(l.Discarded), Sum(w.Discarded), reasons(l.Discarded))
	if l.Damaged != 0 {
		span("  damaged", l.Damaged, w.Damaged, "by the disk; see `appliance spool verify`")
	}
	span("  unaccounted", l.Unaccounted, w.Unaccounted, "")
	if l.AcknowledgedLoss != 0 {
		span("  acknowledged", l.AcknowledgedLoss, w.AcknowledgedLoss, "as lost")
	}
	if len(l.Tenants) > 1 {
		b.WriteString("\ntenants\n")
		for _, name := range slices.Sorted(maps.Keys(l.Tenants)) {
			t := l.Tenants[name]
			fmt.Fprintf(&b, "  %-14s kept %s, pending %s, proven %s, discarded %s\n", name, humanize.Comma(t.Kept), humanize.Comma(t.Pending), humanize.Comma(t.Proven), humanize.Comma(Sum(t.Discarded)))
		}
	}
	b.WriteString("\n")
	row("spool", "%s", spoolText(s.Spool))
	if len(s.Disks) > 0 {
		row("disk", "%s", disksText(s.Disks))
	}
	if s.Tail != nil {
		row("tail", "%s", tailText(s.Tail))
	}
	if s.Store != nil {
		row("blocks", "%s", storeText(s.Store))
	}
	if f := s.Forwarder; f != nil {
		row("forwarder", "%d of %s in flight, proof by %s, %s sent again", f.InFlight, plural.Of(int(f.Limit), "request"), f.Proof, plural.Of(f.ResentSpans, "span"))
		if f.LastError != "" {
			row("", "last error %s ago: %s", time.Since(f.FailedAt).Round(time.Second), f.LastError)
		}
	}
	if s.Archive != nil {
		if s.Archive.Mode != "" || s.Archive.NotRunning != "" {
			row("archive", "%s", archiveText(s.Archive))
		}
		if s.Archive.Mode != "" {
			row("archived", "%s", archivedText(s.Archive))
		}
		for _, h := range archive.Holds() {
			if why := s.Archive.Holds[h]; why != "" {
				row("held up", "%s: %s", h, why)
			}
		}
		if p := s.Archive.Purge; p != nil {
			row("purge", "%s", purgeText(p))
		}
		if s.Archive.NotPruned != "" {
			row("prune", "nothing is pruned: %s", s.Archive.NotPruned)
		}
		if s.Archive.LastFailure != "" {
			row("", "last failure %s ago: %s", time.Since(s.Archive.LastFailureAt).Round(time.Second), s.Archive.LastFailure)
		}
	}
	return b.String()
}

// archiveText says first for how long everything is safe: that is what a person looks for.
func archiveText(s *Archive) string {
	if s.NotRunning != "" {
		return "not running: " + s.NotRunning
	}
	headroom := "purge headroom not known"
	if s.HeadroomSeconds != nil {
		headroom = fmt.Sprintf("purge headroom %s", (time.Duration(*s.HeadroomSeconds) * time.Second).String())
	}
	text := fmt.Sprintf("%s; %d of %s pending", headroom, s.PendingBlocks, plural.Of(s.SourceBlocks, "block"))
	if s.PendingBlocks > 0 {
		text += fmt.Sprintf(" (%s, oldest %s)", humanize.IBytes(uint64(s.PendingBytes)), time.Duration(s.LagSeconds*float64(time.Second)).Round(time.Second))
	}
	if len(s.Gaps) > 0 {
		text += fmt.Sprintf("; %s, see -o json", strings.ToUpper(plural.Of(len(s.Gaps), "gap")))
	}
	if s.Conflicts > 0 {
		text += fmt.Sprintf("; %d kept under another id", s.Conflicts)
	}
	for _, w := range s.Warnings {
		text += fmt.Sprintf("; warning: %s is %s: %s; write %s", w.Setting, w.Value, w.Problem, w.Change)
	}
	return text
}

// archivedText is what the archiver has done since its start, and when it was last up to date.
func archivedText(s *Archive) string {
	text := fmt.Sprintf("%s (%s) since the start", plural.Of(s.ArchivedBlocks, "block"), humanize.IBytes(uint64(s.ArchivedBytes)))
	if s.LastSuccess.IsZero() {
		text += ", no success yet"
	} else {
		text += fmt.Sprintf(", last success %s ago", time.Since(s.LastSuccess).Round(time.Second))
	}
	if s.MaxBytes > 0 {
		text += fmt.Sprintf(", %s of %s used", humanize.IBytes(uint64(s.StoreBytes)), humanize.IBytes(uint64(s.MaxBytes)))
	}
	if failures := reasons(s.Failures); failures != "" {
		return text + "; failures: " + failures
	}
	return text + ", no failures"
}

func purgeText(p *archive.PurgeStatus) string {
	text := plural.Of(p.PurgedBlocks, "block") + " purged"
	if p.HeldBlocks > 0 {
		text += fmt.Sprintf(", %d held back (%s)", p.HeldBlocks, humanize.IBytes(uint64(p.HeldBytes)))
	}
	switch {
	case p.Doubt == "":
	case p.Hold != "": // has a line of its own
		text += "; nothing is purged while it is held up"
	case p.HeldBlocks == 0: // as in the first hour, when it holds nothing up; -o json has it
		text += "; none is due"
	default:
		text += "; nothing is purged: " + p.Doubt
	}
	return text
}

func tempoText(t Tempo) string {
	if t.Where == "embedded" {
		return "in this process"
	}
	text := "a Tempo at " + t.URL
	if !t.Ready {
		text += ", which does not take spans now"
	}
	return text
}

// storeText is what is stored here.
func storeText(s *blockstore.Status) string {
	text := fmt.Sprintf("%s, %s", plural.Of(s.Blocks, "block"), humanize.IBytes(uint64(s.Bytes)))
	if !s.Oldest.IsZero() {
		text += fmt.Sprintf(", oldest span %s ago", time.Since(s.Oldest).Round(time.Second))
	}
	text += fmt.Sprintf("; since the start %s made of %s, %s", plural.Of(s.Cut, "block"), plural.Of(s.Spans, "span"), plural.Of(s.Merges, "merge"))
	switch {
	case s.Copies == 1:
		text += ", 1 equal copy left out"
	case s.Copies > 1:
		text += fmt.Sprintf(", %s equal copies left out", humanize.Comma(s.Copies))
	}
	if s.Unreadable > 0 {
		text += fmt.Sprintf("; %s cannot be read", plural.Of(int(s.Unreadable), "block"))
	}
	if s.LastError != "" {
		text += "; last error: " + s.LastError
	}
	return text
}

func undecidedText(t *tail.Status) string {
	return plural.Of(int(t.Traces), "trace") + " that no tail rule has decided on yet"
}

// tailText is what tail sampling remembers, and what it could not do as asked.
func tailText(t *tail.Status) string {
	text := fmt.Sprintf("%s verdicts remembered, %s of memory, %s late", humanize.Comma(t.Verdicts), humanize.IBytes(uint64(t.Bytes)), plural.Of(int(t.Late), "span"))
	if t.Early > 0 {
		text += fmt.Sprintf("; %s decided early, since there were too many", plural.Of(int(t.Early), "trace"))
	}
	if t.Forgotten > 0 {
		text += fmt.Sprintf("; %s forgotten early", plural.Of(int(t.Forgotten), "verdict"))
	}
	if t.LastError != "" {
		text += "; last error: " + t.LastError
	}
	return text
}

func pendingText(s Status) string {
	if s.Ledger.Pending == 0 {
		return ""
	}
	text := "in no proven block yet"
	if s.Forwarder != nil {
		text = humanize.Comma(s.Forwarder.UnprovenSpans) + " with Tempo, which may not have written them yet"
	}
	if !s.Spool.Oldest.IsZero() {
		text += fmt.Sprintf(", oldest %s", time.Since(s.Spool.Oldest).Round(time.Second))
	}
	return text
}

func spoolText(s Spool) string {
	text := fmt.Sprintf("%s of %s", humanize.IBytes(uint64(s.Bytes)), humanize.IBytes(uint64(s.MaxBytes)))
	if s.UnreadableSegments > 0 {
		text += fmt.Sprintf(", %s cannot be read", plural.Of(s.UnreadableSegments, "segment"))
	}
	if s.QuarantinedBytes > 0 {
		text += fmt.Sprintf(", %s in quarantine", humanize.IBytes(uint64(s.QuarantinedBytes)))
	}
	if s.LastError != "" {
		text += ", last error: " + s.LastError
	}
	return text
}

// reasons lists counts by reason, the largest first.
func reasons(m map[string]int64) string {
	names := slices.SortedFunc(maps.Keys(m), func(a, b string) int {
		if m[a] != m[b] {
			return int(m[b] - m[a])
		}
		return strings.Compare(a, b)
	})
	parts := make([]string, 0, len(names))
	for _, name := range names {
		if m[name] != 0 {
			parts = append(parts, fmt.Sprintf("%s %s", name, humanize.Comma(m[name])))
		}
	}
	return strings.Join(parts, ", ")
}

func Sum(m map[string]int64) (n int64) {
	for _, v := range m {
		n += v
	}
	return n
}

// SamplingText is how much is kept: a probability, and a target in spans a second,
// 0 for none.
func SamplingText(p, target float64) string {
	s := fmt.Sprintf("%.4g %% of traces", p*100)
	switch p {
	case 1:
		s = "every trace"
	case 0:
		s = "no trace by default: sampler.probability is 0"
	}
	if target > 0 {
		s += fmt.Sprintf(", at most %.4g spans per second", target)
	}
	return s
}

// disksText is one line for a person.
func disksText(all []Disk) string {
	var parts []string
	for _, s := range all {
		text := s.Name + ": "
		if s.Error != "" {
			parts = append(parts, text+s.Error)
			continue
		}
		text += fmt.Sprintf("%s of %s free", humanize.IBytes(uint64(s.FreeBytes)), humanize.IBytes(uint64(s.Bytes)))
		if s.ReservedBytes > 0 {
			text += fmt.Sprintf(", %s kept for the spool", humanize.IBytes(uint64(s.ReservedBytes)))
		}
		if s.ReservedBytes > s.FreeBytes {
			text += " (SHORT)"
		}
		parts = append(parts, text)
	}
	return strings.Join(slices.Compact(parts), "; ")
}
