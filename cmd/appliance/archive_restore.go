package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"appliance/archive"
)

func newArchiveRestoreCommand(f *archiveFlags) *cobra.Command {
	var dir string
	var dryRun, yes bool
	c := &cobra.Command{
		Use:   "restore BLOCK... --to DIR",
		Short: "Restore blocks to a directory that a Tempo can read",
		Long: `Restore blocks to a directory that any Tempo can read, byte for byte. What is to be done is shown first, then asked.

DIR is new, empty, or one that was restored to before; what is there already is not written again. The storage of a running
Tempo is refused: it would purge old blocks at once. Give DIR to a Tempo of its own instead, with compactor.disabled.
Each file's SHA-256 is compared as it is copied. Exit code 3 says that a block is damaged in the archive and was left out.`,
		Example: `  appliance archive restore 2056 bcac --to /tmp/restored
  appliance archive list --state archived --since 30d --until 29d -o json | jq -r '.[].block' | xargs appliance archive restore --yes --to /tmp/restored`,
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: f.blockCompletion,
	}
	c.Flags().StringVar(&dir, "to", "", "directory to restore to")
	c.Flags().BoolVar(&dryRun, "dry-run", false, "only show what would be done")
	c.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	_ = c.MarkFlagDirname("to") // there is such a flag
	return f.command(c, usesSource, reportOutputs, func(ctx context.Context, a *openedArchive, out io.Writer, args []string) error {
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
		if dryRun && a.output == "json" {
			return writeJSON(out, plan)
		}
		shown := a.stderr
		if dryRun {
			shown = out
		}
		if err := writeRestorePlan(shown, plan); err != nil || dryRun {
			return err
		}
		if !yes {
			if err := confirm(c.InOrStdin(), a.stderr, fmt.Sprintf("Restore %s to %s?", several(len(plan.Blocks), "block"), plan.Dir)); err != nil {
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
		if err == nil && len(rep.Damaged) > 0 {
			return &codeError{exitPartial, fmt.Errorf("%s could not be restored; see: appliance archive verify --read-data", several(len(rep.Damaged), "block"))}
		}
		return err
	})
}

// foreignDirectories are those that are the appliance's or a Tempo's own.
func (a *openedArchive) foreignDirectories() []string {
	dirs := []string{tempoDir(a.conf), filepath.Join(a.conf.DataDir, "spool")}
	if a.source != nil {
		if u, err := url.Parse(a.source.URL()); err == nil && u.Scheme == "file" {
			dirs = append(dirs, u.Path)
		}
	}
	return dirs
}

func writeRestorePlan(w io.Writer, p *archive.RestorePlan) error {
	if err := writeList(w, "table", p.Blocks, func(t *tabwriter.Writer, wide bool) {
		blockTable(t, wide, time.Now(), p.Blocks, "", nil)
	}); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "%s, %s, to %s\n", several(len(p.Blocks), "block"), sizeText(p.Bytes), p.Dir)
	return err
}

func writeRestored(w io.Writer, dir string, rep *archive.RestoreReport) error {
	for _, d := range rep.Damaged {
		fmt.Fprintf(w, "damaged  %s/%s  %s %s\n", d.Tenant, d.Block, d.File, d.What)
	}
	there := ""
	if rep.AlreadyThere > 0 {
		there = fmt.Sprintf(" (%d there already)", rep.AlreadyThere)
	}
	_, err := fmt.Fprintf(w, "restored %s, %s, to %s%s\n", several(rep.Blocks, "block"), sizeText(rep.Bytes), dir, there)
	return err
}
