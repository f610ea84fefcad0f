package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"appliance/archive"
	"appliance/internal/config"
)

// pruneResult is what `archive prune -o json` prints.
type pruneResult struct {
	*archive.PrunePlan
	Pruned int `json:"pruned"` // of the planned blocks; 0 with --dry-run
}

func newArchivePruneCommand(f *archiveFlags) *cobra.Command {
	var keep, keepBytes string
	var dryRun, yes bool
	c := &cobra.Command{
		Use:   "prune",
		Short: "Delete old blocks from the archive, for good",
		Long: `Delete the blocks from the archive whose last span is older than --keep, and the oldest of the others until what is left
takes at most --keep-bytes, for good. One of the two may be left out. What is to be done is shown first, then asked.

Kept nevertheless are blocks that are pinned, that are damaged, whose data was never verified (see archive verify --read-data),
and that the source still has.`,
		Example: `  appliance archive prune --keep 90d --dry-run
  appliance archive prune --keep 90d --yes
  appliance archive prune --keep-bytes 500GB --dry-run`,
		Args: cobra.NoArgs,
	}
	c.Flags().StringVar(&keep, "keep", "", "how old what is kept may be, such as 90d (default: archive.keep)")
	c.Flags().StringVar(&keepBytes, "keep-bytes", "", "how much may be kept, such as 500GB (default: archive.keep_bytes)")
	c.Flags().BoolVar(&dryRun, "dry-run", false, "only show what would be done")
	c.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	return f.command(c, usesSource, reportOutputs, func(ctx context.Context, a *openedArchive, out io.Writer, _ []string) error {
		kept, err := keepOf(a.conf.Archive, keep, keepBytes)
		if err != nil {
			return wrongUsage(c, err)
		}
		plan, err := a.PlanPrune(ctx, kept, a.source)
		if err != nil {
			return err
		}
		if dryRun && a.output == "json" {
			return writeJSON(out, pruneResult{plan, 0})
		}
		shown := a.stderr
		if dryRun {
			shown = out
		}
		if err := writePrunePlan(shown, plan); err != nil || dryRun {
			return err
		}
		pruned := 0
		if len(plan.Blocks) > 0 {
			if !yes {
				if err := confirm(ctx, c.InOrStdin(), a.stderr, fmt.Sprintf("Delete %s from %s for good?", several(len(plan.Blocks), "block"), a.store.URL())); err != nil {
					return err
				}
			}
			p := a.progress("pruning", true)
			pruned, err = plan.Run(ctx, p.update)
			p.end()
			if ctx.Err() != nil {
				return &codeError{exitPartial, fmt.Errorf("interrupted after %s; the next prune finishes the one that was under way", several(pruned, "block"))}
			} else if err != nil {
				return err
			}
		}
		if a.output == "json" {
			return writeJSON(out, pruneResult{plan, pruned})
		}
		_, err = fmt.Fprintf(out, "pruned %s\n", several(pruned, "block"))
		return err
	})
}

// keepOf is what the flags say, or where there is none of them the configuration.
func keepOf(conf config.Archive, age, bytes string) (archive.Keep, error) {
	if age == "" && bytes == "" {
		keep := archive.Keep{Age: conf.Keep, Bytes: int64(conf.KeepBytes)}
		if keep == (archive.Keep{}) {
			return keep, errors.New("--keep and --keep-bytes are missing, and archive.keep and archive.keep_bytes are not set: how old or how large may it be?")
		}
		return keep, nil
	}
	var keep archive.Keep
	if age != "" {
		var err error
		keep.Age, err = config.ParseDuration(age)
		if errors.Is(err, config.ErrTooLong) {
			return keep, fmt.Errorf("--keep: %w", err)
		}
		if err != nil || keep.Age <= 0 {
			return keep, fmt.Errorf("--keep %q is not how long blocks are kept, such as 90d", age)
		}
	}
	if bytes != "" {
		var n config.Bytes
		if err := n.UnmarshalText([]byte(bytes)); err != nil || n <= 0 {
			return keep, fmt.Errorf("--keep-bytes %q is not a size to keep, such as 500GB", bytes)
		}
		keep.Bytes = int64(n)
	}
	return keep, nil
}

func writePrunePlan(w io.Writer, p *archive.PrunePlan) error {
	all := slices.Clone(p.Blocks)
	for _, k := range p.Kept {
		all = append(all, k.Block)
	}
	if err := writeList(w, "table", all, func(t *tabwriter.Writer, wide bool) {
		blockTable(t, wide, time.Now(), all, "PLAN", func(i int) string {
			if i < len(p.Blocks) {
				return "delete"
			}
			return "keep: " + p.Kept[i-len(p.Blocks)].Reason
		})
	}); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "%s to delete, %s; %d as old are kept\n", several(len(p.Blocks), "block"), sizeText(p.Bytes), len(p.Kept))
	return err
}
