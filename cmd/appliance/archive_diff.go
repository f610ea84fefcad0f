package main

import (
	"context"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"appliance/archive"
)

// differingBlock is a line of `archive diff`.
type differingBlock struct {
	Difference string `json:"difference"` // pending, changed or unfinished
	archive.Block
}

func newArchiveDiffCommand(f *archiveFlags) *cobra.Command {
	c := &cobra.Command{
		Use:   "diff",
		Short: "Compare the source with the archive; exit code 3 when something is not archived",
		Long: `Compare the source with the archive, by the names, sizes and meta.json of every block.

  pending     not archived
  changed     other bytes are archived under the block's id
  unfinished  no block yet: being written, or left by a crash; it counts as no difference

Blocks that were written in the last seconds are pending until serve has looked again. Exit code 3 says that something is not archived.`,
		Args: cobra.NoArgs,
	}
	return f.command(c, needsSource, listOutputs, func(ctx context.Context, a *openedArchive, out io.Writer, _ []string) error {
		d, err := a.Diff(ctx, a.source, "")
		if err != nil {
			return err
		}
		if a.output == "json" {
			err = writeJSON(out, d)
		} else {
			err = writeDifference(out, a.output, d)
		}
		if missing := len(d.Pending) + len(d.Changed); err == nil && missing > 0 {
			return &codeError{exitPartial, fmt.Errorf("%s of %s not archived; archive now with: appliance archive run", several(missing, "block"), a.source.URL())}
		}
		return err
	})
}

func writeDifference(w io.Writer, output string, d *archive.Difference) error {
	var lines []differingBlock
	var blocks []archive.Block
	for _, part := range []struct {
		name   string
		blocks []archive.Block
	}{{"pending", d.Pending}, {"changed", d.Changed}, {"unfinished", d.Unfinished}} {
		for _, b := range part.blocks {
			lines, blocks = append(lines, differingBlock{part.name, b}), append(blocks, b)
		}
	}
	err := writeList(w, output, lines, func(t *tabwriter.Writer, wide bool) {
		blockTable(t, wide, time.Now(), blocks, "DIFFERENCE", func(i int) string { return lines[i].Difference })
	})
	if err != nil || output == "jsonl" {
		return err
	}
	_, err = fmt.Fprintf(w, "%d archived as they are, %d covered by archived ones, %d pending, %d changed, %d unfinished; %d only in the archive\n",
		d.Same, d.Covered, len(d.Pending), len(d.Changed), len(d.Unfinished), d.OnlyArchived)
	return err
}
