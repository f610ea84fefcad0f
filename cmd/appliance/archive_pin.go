package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"appliance/archive"
)

func newArchivePinCommand(f *archiveFlags) *cobra.Command {
	return f.pinCommand("pin", "Keep a block from being pruned, until it is unpinned", "is pinned, so it is not pruned", (*archive.Archive).Pin)
}

func newArchiveUnpinCommand(f *archiveFlags) *cobra.Command {
	return f.pinCommand("unpin", "Let a block be pruned again", "is not pinned", (*archive.Archive).Unpin)
}

func (f *archiveFlags) pinCommand(use, short, then string, do func(a *archive.Archive, ctx context.Context, prefix string) (archive.Block, error)) *cobra.Command {
	c := &cobra.Command{Use: use + " BLOCK", Short: short, Args: cobra.ExactArgs(1), ValidArgsFunction: f.blockCompletion}
	return f.command(c, needsStore, reportOutputs, func(ctx context.Context, a *openedArchive, out io.Writer, args []string) error {
		b, err := do(a.Archive, ctx, args[0])
		if err != nil {
			return err
		}
		if a.output == "json" {
			return writeJSON(out, b)
		}
		_, err = fmt.Fprintf(out, "block %s of tenant %s %s\n", b.ID, b.Tenant, then)
		return err
	})
}
