package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"appliance/archive"
)

func newArchiveStatsCommand(f *archiveFlags) *cobra.Command {
	c := &cobra.Command{
		Use:   "stats",
		Short: "Sum up the archive: blocks, bytes, spans, by tenant and encoding",
		Args:  cobra.NoArgs,
	}
	return f.command(c, needsStore, sumOutputs, func(ctx context.Context, a *openedArchive, out io.Writer, _ []string) error {
		s, err := a.Stats(ctx)
		if err != nil {
			return err
		}
		if a.output == "json" {
			return writeJSON(out, s)
		}
		return writeStats(out, a.store.URL(), s)
	})
}

func writeStats(w io.Writer, where string, s *archive.Stats) error {
	fmt.Fprintf(w, "%s\n\n", where)
	t := newTable(w)
	row(t, "", "BLOCKS", "SIZE", "TRACES", "SPANS", "OLDEST", "NEWEST")
	line := func(name string, n archive.Totals) {
		row(t, name, humanize.Comma(int64(n.Blocks)), sizeText(n.Bytes), humanize.Comma(n.Traces), humanize.Comma(n.Spans), timeText(n.Oldest), timeText(n.Newest))
	}
	line("archived", s.Total)
	for _, name := range slices.Sorted(maps.Keys(s.Tenants)) {
		line("  tenant "+name, s.Tenants[name])
	}
	for _, name := range slices.Sorted(maps.Keys(s.Encodings)) {
		line("  encoding "+name, s.Encodings[name])
	}
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(w)
	t = newTable(w)
	for _, n := range []struct {
		name  string
		count int
		what  string
	}{
		{"pinned", s.Pinned, "not pruned"},
		{"unverified", s.Unverified, "not pruned before: appliance archive verify --read-data"},
		{"damaged", s.Damaged, "see: appliance archive list --state damaged"},
		{"missing", s.Missing, "see: appliance archive list --state missing"},
		{"incomplete", s.Incomplete, "being copied, or what an interrupted copy left"},
		{"derived", s.Derived, "kept under another id, since theirs was taken"},
		{"uncataloged", s.Uncataloged, "not in the catalog yet, so each costs one small read"},
	} {
		if n.count == 0 {
			n.what = ""
		}
		row(t, n.name, humanize.Comma(int64(n.count)), n.what)
	}
	return t.Flush()
}
