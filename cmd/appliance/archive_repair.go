package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"appliance/archive"
	"appliance/archive/store"
	"appliance/internal/telemetry"
)

// repairResult is what `archive repair -o json` prints of a block.
type repairResult struct {
	*archive.RepairPlan
	Result string `json:"result"` // whole, repaired, dropped, lost
}

func newArchiveRepairCommand(f *archiveFlags) *cobra.Command {
	var from string
	var drop, yes bool
	c := &cobra.Command{
		Use:   "repair BLOCK...",
		Short: "Replace what is damaged or missing of archived blocks",
		Long: `Replace what is damaged or missing of archived blocks by the right bytes: those of another archived copy of the block, of
the source, or of --from, a replica or a backup of the archive. What is right is said by the SHA-256 in the block's
manifest, and other bytes are never taken. The block is verified then.

--drop gives up a block that cannot be repaired: what is left of it is deleted for good, after a question. Exit code 3 says
that a block could not be repaired; what to do is said then.`,
		Example: `  appliance archive repair 20569527
  appliance archive repair 20569527 --from 's3://replica/traces?endpoint=s3.example:9000'
  appliance archive repair 20569527 --drop`,
		ValidArgsFunction: f.blockCompletion,
		Args:              cobra.MinimumNArgs(1),
	}
	c.Flags().StringVar(&from, "from", "", "a replica or a backup of the archive: file:// or s3://")
	c.Flags().BoolVar(&drop, "drop", false, "delete what cannot be repaired, for good")
	c.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	return f.command(c, seesSource, reportOutputs, func(ctx context.Context, a *openedArchive, out io.Writer, args []string) error {
		sources, done, err := a.repairSources(ctx, c, from)
		if err != nil {
			return err
		}
		defer done()
		results := []repairResult{}
		lost := 0
		for _, prefix := range args {
			plan, err := a.PlanRepair(ctx, prefix, sources...)
			if err != nil {
				return err
			}
			ask := func(question string) error {
				if yes {
					return nil
				}
				return confirm(ctx, c.InOrStdin(), a.stderr, question)
			}
			r, err := a.repair(ctx, plan, drop, ask)
			if err != nil {
				return err
			}
			if r.Result == "lost" {
				lost++
			}
			results = append(results, r)
		}
		if a.output == "json" {
			err = writeJSON(out, results)
		} else {
			err = writeRepaired(out, results)
		}
		if err != nil || lost == 0 {
			return err
		}
		a.adviseLost(results)
		return &codeError{exitPartial, fmt.Errorf("%s could not be repaired", several(lost, "block"))}
	})
}

// repairSources are where right bytes may be: the source, and what the
// flag names.
func (a *openedArchive) repairSources(ctx context.Context, c *cobra.Command, from string) (sources []archive.Source, done func(), err error) {
	if a.source != nil {
		sources = append(sources, a.source)
	}
	if from == "" {
		return sources, func() {}, nil
	}
	logger, _ := telemetry.NewLogger(a.logLine, "warn", a.conf.Log.Format)
	replica, err := archive.OpenSource(ctx, from, logger)
	if errors.Is(err, store.ErrURL) {
		return nil, nil, wrongUsage(c, fmt.Errorf("--from: %w", err))
	} else if err != nil {
		return nil, nil, err
	}
	return append(sources, replica), func() { _ = replica.Close() }, nil // it was only read
}

// repair does with a block what can be done.
func (a *openedArchive) repair(ctx context.Context, plan *archive.RepairPlan, drop bool, ask func(question string) error) (repairResult, error) {
	name := plan.Block.Tenant + "/" + plan.Block.ID
	switch {
	case len(plan.Lost) == 0 && len(plan.Damage) == 0:
		return repairResult{plan, "whole"}, plan.Run(ctx)
	case len(plan.Lost) == 0:
		return repairResult{plan, "repaired"}, plan.Run(ctx)
	case !drop:
		return repairResult{plan, "lost"}, nil
	}
	question := fmt.Sprintf("Delete block %s, of %s, for good? No other copy of it is known.", name, several(plan.Block.Traces, "trace"))
	if len(plan.Copies) > 0 {
		question = fmt.Sprintf("Delete block %s for good? Its spans are whole in %s.", name, strings.Join(plan.Copies, ", "))
	}
	if err := ask(question); err != nil {
		return repairResult{}, err
	}
	return repairResult{plan, "dropped"}, plan.Drop(ctx)
}

func writeRepaired(w io.Writer, results []repairResult) error {
	var b strings.Builder
	for _, r := range results {
		name := r.Block.Tenant + "/" + r.Block.ID
		switch r.Result {
		case "repaired":
			for _, f := range r.Files {
				fmt.Fprintf(&b, "repaired  %s  %s from %s\n", name, f.Name, f.From)
			}
		case "lost":
			for _, d := range r.Damage {
				fmt.Fprintf(&b, "damaged   %s  %s\n", name, strings.TrimSpace(d.File+" "+d.What))
			}
		default:
			fmt.Fprintf(&b, "%-9s %s\n", r.Result, name)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// adviseLost says what can be done about blocks of which nobody has the right
// bytes.
func (a *openedArchive) adviseLost(results []repairResult) {
	for _, r := range results {
		if r.Result != "lost" {
			continue
		}
		name := r.Block.Tenant + "/" + r.Block.ID
		fmt.Fprintf(a.stderr, "Nobody who was asked has the right bytes of %s of %s.\n", strings.Join(r.Lost, ", "), name)
		if len(r.Copies) > 0 {
			fmt.Fprintf(a.stderr, "Its spans are whole in %s, so nothing is lost by: appliance archive repair %s --drop\n", strings.Join(r.Copies, ", "), name)
			continue
		}
		fmt.Fprintf(a.stderr, "Name a replica or a backup of the archive: appliance archive repair %s --from URL\nOr give up what it holds: appliance archive repair %s --drop\n", name, name)
	}
}
