package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"appliance/archive"
)

var blockStates = []string{
	string(archive.StateArchived), string(archive.StatePending), string(archive.StateMissing), string(archive.StateDamaged),
	string(archive.StateCovered), string(archive.StateIncomplete), string(archive.StateUnfinished),
}

func newArchiveListCommand(f *archiveFlags) *cobra.Command {
	var chosen periodFlags
	var state string
	c := &cobra.Command{
		Use:   "list",
		Short: "List the blocks, those that are not archived yet among them",
		Long: `List the blocks of the archive, and those of the source that are not archived yet.

  archived    whole in the archive
  pending     in the source, and not archived yet
  missing     was archived, and the archive has nothing of it any more
  damaged     the last verification found it so
  covered     made by Tempo's compactor of blocks that are archived themselves
  incomplete  in the archive in part: being copied, or what an interrupted copy left
  unfinished  in the source in part: being written, or what a crash left

PURGES IN is the time until the retention of the appliance's own store lets a block go; what is not archived stays all the same.`,
		Example: `  appliance archive list --since 7d --state damaged
  appliance archive list -o json | jq -r '.[] | select(.pinned) | .block'`,
		Args: cobra.NoArgs,
	}
	chosen.add(c, "blocks that end at this TIME or after it", "blocks that start at this TIME or before it")
	c.Flags().StringVar(&state, "state", "", "only in this state")
	// there is such a flag
	_ = c.RegisterFlagCompletionFunc("state", cobra.FixedCompletions(blockStates, cobra.ShellCompDirectiveNoFileComp))
	return f.command(c, seesSource, listOutputs, func(ctx context.Context, a *openedArchive, out io.Writer, _ []string) error {
		now := time.Now()
		since, until, err := chosen.times(now)
		if err != nil {
			return err
		}
		if state != "" && !slices.Contains(blockStates, state) {
			return wrongUsage(c, fmt.Errorf("--state %q is not a state of a block", state))
		}
		blocks, err := a.List(ctx, archive.Filter{
			Tenant: chosen.tenant, State: archive.State(state), Since: since, Until: until, Source: a.source, Retention: a.retention(),
		})
		if err != nil {
			return err
		}
		if len(blocks) == 0 {
			fmt.Fprintf(a.stderr, "no block in %s matches\n", a.store.URL())
		}
		return writeList(out, a.output, blocks, func(t *tabwriter.Writer, wide bool) { blockTable(t, wide, now, blocks, "", nil) })
	})
}
