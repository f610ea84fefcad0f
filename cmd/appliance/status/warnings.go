package status

import (
	"fmt"
	"time"

	"github.com/dustin/go-humanize"

	"appliance/archive"
	"appliance/internal/pages"
	"appliance/internal/plural"
)

const (
	// leastHeadroom is how near something that is not archived may come to being
	// due, as a purge headroom.
	leastHeadroom = time.Hour
	// recently is how long ago an error still matters.
	recently = 5 * time.Minute
)

// Warnings says in words what is wrong, and what to do.
func Warnings(s Status, now time.Time) (out []pages.Warning) {
	grave := func(what, do string) { out = append(out, pages.Warning{What: what, Do: do, Grave: true}) }
	warn := func(what, do string) { out = append(out, pages.Warning{What: what, Do: do}) }
	l := s.Ledger
	if !s.Ready {
		grave("Spans are refused: "+whyRefusing(s), "Clients are answered 503 and send again. Make room where it is full, or wait until the start or the stop is over.")
	}
	if l.Damaged > 0 {
		grave(plural.Of(int(l.Damaged), "span")+" in the spool cannot be read any more", "Run: appliance spool verify. The disk is at fault; check it. Afterwards: appliance spool acknowledge-loss.")
	}
	if l.Unaccounted > 0 {
		grave(plural.Of(int(l.Unaccounted), "span")+" that were acknowledged are unaccounted for", "Files of the spool were removed or put back from a copy. Afterwards: appliance spool acknowledge-loss.")
	}
	if l.Stuck > 0 {
		grave(plural.Of(int(l.Stuck), "span")+" are set aside, since Tempo does not take them", "Run: appliance spool stuck list.")
	}
	if f := fill(s); f >= FillsFrom {
		grave(fmt.Sprintf("The spool is %.0f %% full", 100*f), "What takes spans from it is slow or away: look at the blocks, the disk or Tempo below. When it is full, clients are answered 503.")
	}
	if s.Spool.UnreadableSegments > 0 {
		grave(plural.Of(s.Spool.UnreadableSegments, "file")+" of the spool cannot be read", "Run: appliance spool verify.")
	}
	if s.Sampler.Pressure {
		warn("Fewer traces are kept, since the spool fills", "sampler.pressure_spans_per_second says so. It ends by itself once the spool has room.")
	}
	for _, d := range s.Disks {
		switch {
		case d.Error != "":
			warn("The room of disk "+d.Name+" is unknown: "+d.Error, "Check that "+d.Dir+" is there and may be read.")
		case d.FreeBytes < d.ReservedBytes:
			grave(fmt.Sprintf("Disk %s is short: %s free, of which the spool may need %s", d.Name, humanize.IBytes(uint64(d.FreeBytes)), humanize.IBytes(uint64(d.ReservedBytes))),
				"Blocks and the archive are not written until there is room. Free some at "+d.Dir+", or lower spool.max_bytes or retention.")
		}
	}
	if s.Store != nil {
		if n := s.Store.Unreadable; n > 0 {
			grave(plural.Of(int(n), "block")+" on this disk cannot be read", "They are left alone. The log names them; queries read those that the archive has from there.")
		}
		if s.Store.LastError != "" {
			warn("The last trouble of the block store: "+s.Store.LastError, "It tries again by itself. Spans stay in the spool until a block has them.")
		}
	}
	if !s.Tempo.Ready {
		grave("Tempo does not take spans", "They stay in the spool and are sent again. Check Tempo at "+s.Tempo.URL+".")
	} else if f := s.Forwarder; f != nil && f.LastError != "" && now.Sub(f.FailedAt) < recently {
		warn("A request to Tempo failed: "+f.LastError, "It is sent again. Check Tempo's log if this goes on.")
	}
	if r := s.RemoteWrite; r != nil && r.LastError != "" {
		warn("Metrics are not taken by remote write: "+r.LastError, "Counting goes on, and what is sent once they are taken is right. See docs/red.md.")
	}
	return append(out, archiveWarnings(s.Archive, now)...)
}

// isLate says that something that is not archived is nearly due.
func (a *Archive) isLate() bool {
	s := a.HeadroomSeconds
	return s != nil && time.Duration(*s)*time.Second < leastHeadroom && a.PendingBlocks > 0
}

func archiveWarnings(a *Archive, now time.Time) (out []pages.Warning) {
	if a == nil {
		return nil
	}
	grave := func(what, do string) { out = append(out, pages.Warning{What: what, Do: do, Grave: true}) }
	warn := func(what, do string) { out = append(out, pages.Warning{What: what, Do: do}) }
	if a.NotRunning != "" {
		warn("Nothing is archived here: "+a.NotRunning, "With replicas one of them archives. Otherwise see docs/archive.md.")
	}
	for _, h := range archive.Holds() {
		if why := a.Holds[h]; why != "" {
			grave("The archive waits for you: "+why, "See docs/archive.md, \""+string(h)+"\". Nothing is lost while it waits, as long as there is room.")
		}
	}
	if a.isLate() {
		grave("What is not archived is due in "+roughly(time.Duration(max(*a.HeadroomSeconds, 0))*time.Second), "The archive is slow or does not take blocks. With blocks stored here nothing is deleted unarchived, and the disk fills; a Tempo elsewhere deletes.")
	}
	if n := len(a.Gaps); n > 0 {
		grave(plural.Of(n, "gap")+" in the archive: blocks went that were not archived", "Run: appliance status -o json. They cannot be had back, unless a copy of Tempo's storage has them.")
	}
	if a.LastFailure != "" && now.Sub(a.LastFailureAt) < recently {
		warn("The archive's last failure: "+a.LastFailure, "It is tried again by itself. Until then nothing is purged.")
	}
	if a.NotPruned != "" {
		warn("The archive is not pruned: "+a.NotPruned, "It grows until that is over. See docs/archive.md.")
	}
	for _, w := range a.Warnings {
		warn(fmt.Sprintf("Tempo's setting %s is %s: %s", w.Setting, w.Value, w.Problem), "Write "+w.Change+".")
	}
	return out
}
