package main

import (
	"context"
	"fmt"
	"io"
	"net/url"

	"github.com/spf13/cobra"

	"appliance/archive"
)

// archiveResult is what `archive run -o json` prints.
type archiveResult struct {
	Archived int               `json:"archived"` // blocks
	Covered  int               `json:"covered"`
	Failed   int               `json:"failed"`
	Bytes    int64             `json:"bytes"` // archived
	Errors   []string          `json:"errors"`
	Warnings []archive.Warning `json:"warnings"` // settings of a Tempo elsewhere that let it delete what is not archived
	Gaps     []archive.Gap     `json:"gaps"`     // what it may have deleted before it was archived, also in earlier runs
}

func newArchiveRunCommand(f *archiveFlags) *cobra.Command {
	c := &cobra.Command{
		Use:   "run",
		Short: "Archive everything that is due, now",
		Long: `Archive everything that is due, now, and end. Nothing is ever deleted: Tempo's storage is only read.

serve does this all the time. Both may work on one store at the same time, and so may several of each: whoever is faster
has put a block, and the others find it there. What an interrupted run has copied, the next one finds and goes on from.
archive.bytes_per_second limits the bandwidth. Exit code 3 says that some blocks could not be archived.`,
		Example: `  appliance archive run
  appliance archive run --source file:///var/tempo/traces --store 's3://backup/traces?endpoint=s3.example:9000'`,
		Args: cobra.NoArgs,
	}
	return f.command(c, makesStore, reportOutputs, func(ctx context.Context, a *openedArchive, out io.Writer, _ []string) error {
		archiver, err := archive.New(a.archiverOptions())
		if err != nil {
			return err
		}
		p := a.progress("archiving", false)
		done, err := archiver.RunOnce(ctx, p.update)
		p.end()
		status := archiver.Status()
		r := archiveResult{
			Archived: done.Archived, Covered: done.Covered, Failed: done.Failed, Bytes: done.Bytes,
			Errors: []string{}, Warnings: append([]archive.Warning{}, status.Warnings...), Gaps: append([]archive.Gap{}, status.Gaps...),
		}
		if ctx.Err() != nil {
			return &codeError{exitPartial, fmt.Errorf("interrupted after %s; what is archived stays, and the next run goes on from there", several(done.Archived, "block"))}
		} else if err != nil {
			return err
		}
		for _, err := range done.Errors {
			r.Errors = append(r.Errors, err.Error())
			fmt.Fprintln(a.stderr, err)
		}
		for _, w := range r.Warnings {
			fmt.Fprintf(a.stderr, "Tempo's %s is %s: %s; write: %s\n", w.Setting, w.Value, w.Problem, w.Change)
		}
		for _, g := range r.Gaps {
			fmt.Fprintf(a.stderr, "gap from %s to %s: %s\n", timeText(g.From), timeText(g.To), g.Reason)
		}
		if a.output == "json" {
			err = writeJSON(out, r)
		} else {
			_, err = fmt.Fprintf(out, "archived %s, %s; %d covered by archived ones, %d failed\n", several(r.Archived, "block"), sizeText(r.Bytes), r.Covered, r.Failed)
		}
		if err == nil && r.Failed > 0 {
			return &codeError{exitPartial, fmt.Errorf("%s could not be archived; the next run tries again", several(r.Failed, "block"))}
		}
		return err
	})
}

// archiverOptions are those of an archiver of this source. It is only ever asked to run once, which purges nothing.
func (a *openedArchive) archiverOptions() archive.Options {
	o := archive.Options{Store: a.store, Source: a.source}
	if a.embedded != "" {
		o.Embedded, o.Origin = embeddedPurge(a.conf, a.embedded), embeddedOrigin(a.conf.DataDir)
	} else if u, err := url.Parse(a.conf.Tempo.QueryURL); err == nil && (u.Scheme == "http" || u.Scheme == "https") {
		o.TempoURL = a.conf.Tempo.QueryURL
	}
	return o
}
