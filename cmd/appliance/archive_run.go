package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"appliance/archive"
	"appliance/cmd/appliance/serve"
)

// archiveResult is what `archive run -o json` prints.
type archiveResult struct {
	Archived int `json:"archived"` // blocks
	Covered  int `json:"covered"`
	Failed   int `json:"failed"`
	Waiting  int `json:"waiting,omitempty"` // for room
	// blocks of the store that serve still merges, or that are too young
	NotDue int      `json:"not_due,omitempty"`
	Bytes  int64    `json:"bytes"` // archived
	Errors []string `json:"errors"`
	// settings of a Tempo elsewhere that let it delete what is not archived
	Warnings []archive.Warning `json:"warnings"`
	// what it may have deleted before it was archived, also in earlier runs
	Gaps []archive.Gap `json:"gaps"`
}

func newArchiveRunCommand(f *archiveFlags) *cobra.Command {
	c := &cobra.Command{
		Use:   "run",
		Short: "Archive everything that is due, now",
		Long: `Archive everything that is due, now, and end. Nothing is ever deleted: the source is only read.

serve does this all the time. The two may work on one store at the same time, and so may several of each: whoever is faster
has put a block, and the others find it there. What an interrupted run has copied, the next one finds and goes on from.
archive.bytes_per_second limits the bandwidth, archive.max_bytes the size of the archive. Exit code 3 says that some blocks
could not be archived, that there was no room for more, or that the source could not be listed whole.`,
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
		notDue := a.notDue()
		r := archiveResult{
			NotDue:   notDue,
			Archived: done.Archived, Covered: done.Covered, Failed: done.Failed, Waiting: done.Waiting, Bytes: done.Bytes,
			Errors: []string{}, Warnings: append([]archive.Warning{}, status.Warnings...), Gaps: append([]archive.Gap{}, status.Gaps...),
		}
		if ctx.Err() != nil {
			return &codeError{exitPartial, fmt.Errorf("interrupted after %s; what is archived stays, and the next run goes on from there", several(done.Archived, "block"))}
		} else if err != nil {
			return err
		}
		for _, err := range append(done.Errors, done.Unlisted, done.NoRoom) {
			if err == nil {
				continue
			}
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
			if notDue > 0 {
				fmt.Fprintf(out, "%s not due yet: serve merges small blocks, and archives a block archive.delay (%v) after it was made\n",
					several(notDue, "block"), a.conf.Archive.Delay)
			}
		}
		if partial := partlyDone(done); err == nil && partial != nil {
			return &codeError{exitPartial, partial}
		}
		return err
	})
}

// notDue counts the blocks of the embedded store that are not archived yet, since
// serve still merges them, or they are younger than archive.delay.
func (a *openedArchive) notDue() (n int) {
	if a.embedded == "" {
		return 0
	}
	// What cannot be listed, the run has said already.
	tenants, _ := os.ReadDir(a.embedded)
	for _, tenant := range tenants {
		if strings.HasPrefix(tenant.Name(), "@") {
			continue
		}
		blocks, _ := os.ReadDir(filepath.Join(a.embedded, tenant.Name()))
		for _, b := range blocks {
			if b.IsDir() && !a.final(tenant.Name(), b.Name()) {
				n++
			}
		}
	}
	return n
}

// partlyDone says what a run has left undone, nil for nothing.
func partlyDone(done archive.Outcome) error {
	var errs []error
	if done.Failed > 0 {
		errs = append(errs, fmt.Errorf("%s could not be archived; the next run tries again", several(done.Failed, "block")))
	}
	if done.NoRoom != nil {
		errs = append(errs, fmt.Errorf("there is no room in the archive for %s", several(done.Waiting, "block")))
	}
	if done.Unlisted != nil {
		errs = append(errs, errors.New("the source could not be listed whole; the next run tries again"))
	}
	return errors.Join(errs...)
}

// archiverOptions are those of an archiver of this source. It is only ever
// asked to run once, which purges nothing.
func (a *openedArchive) archiverOptions() archive.Options {
	o := archive.Options{Store: a.store, Source: a.source, MaxBytes: int64(a.conf.Archive.MaxBytes)}
	if a.embedded != "" {
		o.Embedded, o.Origin = &archive.Embedded{
			Retention: a.conf.Retention,
			Delete:    func(string, string) bool { return false },
			Final:     a.final,
		}, serve.EmbeddedOrigin(a.conf.DataDir)
	} else if u, err := url.Parse(a.conf.Tempo.QueryURL); err == nil && (u.Scheme == "http" || u.Scheme == "https") {
		o.TempoURL = a.conf.Tempo.QueryURL
	}
	return o
}
