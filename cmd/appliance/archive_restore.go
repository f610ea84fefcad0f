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
	"text/tabwriter"
	"time"

	"github.com/mattn/go-isatty"
	"github.com/spf13/cobra"

	"appliance/archive"
	"appliance/cmd/appliance/serve"
)

func newArchiveRestoreCommand(f *archiveFlags) *cobra.Command {
	var dir string
	var dryRun, yes bool
	c := &cobra.Command{
		Use:   "restore BLOCK... --to DIR",
		Short: "Restore blocks to a directory that a Tempo can read",
		Long: `Restore blocks to a directory that any Tempo can read, byte for byte. What is to be done is shown first,
then asked where there is a terminal to ask on.

DIR is new, empty, or one that was restored to before; what is there already is not written again. The storage of a running
Tempo is refused: it would purge old blocks at once. Give DIR to a Tempo of its own instead, with compactor.disabled.
Each file's SHA-256 is compared as it is copied. Exit code 3 says that a block is damaged in the archive and was left out.`,
		Example: `  appliance archive restore 2056 bcac --to /tmp/restored
  appliance archive list --state archived --since 30d --until 29d -o json | jq -r '.[].block' | xargs appliance archive restore --to /tmp/restored`,
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: f.blockCompletion,
	}
	c.Flags().StringVar(&dir, "to", "", "directory to restore to")
	c.Flags().BoolVar(&dryRun, "dry-run", false, "only show what would be done")
	c.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	_ = c.MarkFlagDirname("to") // there is such a flag
	return f.command(c, seesSource, reportOutputs, func(ctx context.Context, a *openedArchive, out io.Writer, args []string) error {
		if dir == "" {
			return wrongUsage(c, errors.New("--to DIR is missing: where to restore to"))
		}
		if strings.Contains(dir, "://") {
			return wrongUsage(c, fmt.Errorf("--to %q is a URL; name a directory", dir))
		}
		plan, err := a.PlanRestore(ctx, args, dir, a.foreignDirectories()...)
		if err != nil {
			return err
		}
		if dryRun {
			if a.output == "json" {
				err = writeJSON(out, plan)
			} else {
				err = writeRestorePlan(out, plan)
			}
			return errors.Join(err, notRestored(plan.Damaged))
		}
		if err := writeRestorePlan(a.stderr, plan); err != nil {
			return err
		}
		// else it destroys nothing
		if in, ok := c.InOrStdin().(*os.File); ok && isatty.IsTerminal(in.Fd()) && !yes && len(plan.Blocks) > 0 {
			if err := confirm(ctx, c.InOrStdin(), a.stderr, fmt.Sprintf("Restore %s to %s?", several(len(plan.Blocks), "block"), plan.Dir)); err != nil {
				return err
			}
		}
		p := a.progress("restoring", false)
		rep, err := plan.Run(ctx, p.update)
		p.end()
		if ctx.Err() != nil {
			return &codeError{exitPartial, fmt.Errorf("interrupted after %s; the same command goes on from there", several(rep.Blocks, "block"))}
		} else if err != nil {
			return err
		}
		if a.output == "json" {
			err = writeJSON(out, rep)
		} else {
			err = writeRestored(out, plan.Dir, rep)
		}
		return errors.Join(err, notRestored(rep.Damaged))
	})
}

// notRestored is the error that says of damaged blocks that they were left out,
// nil where there are none.
func notRestored(damaged []archive.Damage) error {
	if len(damaged) == 0 {
		return nil
	}
	return &codeError{exitPartial, fmt.Errorf("%s cannot be restored; see: appliance archive verify --read-data", several(len(damaged), "block"))}
}

// foreignDirectories are those that are the appliance's or a Tempo's own.
func (a *openedArchive) foreignDirectories() []string {
	dirs := []string{serve.TempoDir(a.conf), serve.BlocksDir(a.conf), filepath.Join(a.conf.DataDir, "spool")}
	switch u, err := url.Parse(a.sourceAt); {
	case err == nil && u.Scheme == "file":
		dirs = append(dirs, u.Path)
	case a.sourceAt != "" && !strings.Contains(a.sourceAt, "://"):
		dirs = append(dirs, a.sourceAt)
	}
	return dirs
}

func writeRestorePlan(w io.Writer, p *archive.RestorePlan) error {
	if err := writeList(w, "table", p.Blocks, func(t *tabwriter.Writer, wide bool) {
		blockTable(t, wide, time.Now(), p.Blocks, "", nil)
	}); err != nil {
		return err
	}
	writeDamaged(w, p.Damaged)
	_, err := fmt.Fprintf(w, "%s, %s, to %s\n", several(len(p.Blocks), "block"), sizeText(p.Bytes), p.Dir)
	return err
}

func writeDamaged(w io.Writer, damaged []archive.Damage) {
	for _, d := range damaged {
		fmt.Fprintf(w, "damaged  %s/%s  %s %s\n", d.Tenant, d.Block, d.File, d.What)
	}
}

func writeRestored(w io.Writer, dir string, rep *archive.RestoreReport) error {
	writeDamaged(w, rep.Damaged)
	there := ""
	if rep.AlreadyThere > 0 {
		there = fmt.Sprintf(" (%d there already)", rep.AlreadyThere)
	}
	_, err := fmt.Fprintf(w, "restored %s, %s, to %s%s\n", several(rep.Blocks, "block"), sizeText(rep.Bytes), dir, there)
	return err
}
