package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"appliance/archive"
)

func newArchiveShowCommand(f *archiveFlags) *cobra.Command {
	c := &cobra.Command{
		Use:               "show BLOCK",
		Short:             "Show all that is known of an archived block",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: f.blockCompletion,
	}
	return f.command(c, needsStore, reportOutputs, func(ctx context.Context, a *openedArchive, out io.Writer, args []string) error {
		d, err := a.Show(ctx, args[0])
		if err != nil {
			return err
		}
		if a.output == "json" {
			err = writeJSON(out, d)
		} else {
			err = writeDetail(out, d)
		}
		if err == nil && d.Manifest == nil {
			return &codeError{exitPartial, errors.New("the manifest is damaged: " + d.Damage)}
		}
		return err
	})
}

func writeDetail(w io.Writer, d *archive.Detail) error {
	t, m := newTable(w), d.Manifest
	row(t, "block", d.ID)
	row(t, "tenant", d.Tenant)
	state := string(d.State)
	if d.Pinned {
		state += ", pinned"
	}
	row(t, "state", state)
	if m == nil {
		return t.Flush()
	}
	row(t, "spans", fmt.Sprintf("%s in %s", countText(d.Spans), several(d.Traces, "trace")))
	row(t, "from", timeText(d.Start))
	row(t, "to", timeText(d.End))
	row(t, "size", sizeText(d.Bytes))
	row(t, "encoding", fmt.Sprintf("%s, compaction level %d", d.Encoding, d.CompactionLevel))
	row(t, "archived", timeText(d.ArchivedAt)+" by "+m.ArchivedBy)
	row(t, "origin", m.Origin)
	if m.Derived != nil {
		row(t, "", "there block "+m.Derived.Block+", whose id other bytes had taken")
	}
	verified := "never"
	if !d.VerifiedAt.IsZero() {
		verified = timeText(d.VerifiedAt)
	}
	row(t, "verified", verified)
	row(t, "span digest", orDash(m.SpanDigest))
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(w)
	t = newTable(w)
	row(t, "FILE", "BYTES", "SHA256")
	for _, file := range m.Files {
		row(t, file.Name, humanize.Comma(file.Size), file.SHA256)
	}
	return t.Flush()
}
