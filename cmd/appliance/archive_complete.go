package main

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"appliance/archive"
)

// completionDeadline is for how long a shell waits for what may be meant.
const completionDeadline = 3 * time.Second

// blockCompletion completes the ids of archived blocks, alone or as TENANT/BLOCK.
func (f *archiveFlags) blockCompletion(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
	return f.complete(cmd, func(ctx context.Context, a *openedArchive) (words []string, err error) {
		blocks, err := a.List(ctx, archive.Filter{})
		for _, b := range blocks {
			word := b.ID
			if strings.Contains(begun, "/") {
				word = b.Tenant + "/" + b.ID
			}
			if strings.HasPrefix(word, begun) && !slices.Contains(args, word) {
				words = append(words, word+"\t"+b.Tenant+" to "+timeText(b.End))
			}
		}
		return words, err
	})
}

// tenantCompletion completes the names of the tenants that have archived blocks.
func (f *archiveFlags) tenantCompletion(cmd *cobra.Command, _ []string, begun string) ([]string, cobra.ShellCompDirective) {
	return f.complete(cmd, func(ctx context.Context, a *openedArchive) (words []string, err error) {
		tenants, err := a.Tenants(ctx)
		for _, name := range tenants {
			if strings.HasPrefix(name, begun) {
				words = append(words, name)
			}
		}
		return words, err
	})
}

// complete asks the archive for words. A shell is told nothing of what goes wrong.
func (f *archiveFlags) complete(cmd *cobra.Command, words func(context.Context, *openedArchive) ([]string, error)) ([]string, cobra.ShellCompDirective) {
	ctx, cancel := context.WithTimeout(cmd.Context(), completionDeadline)
	defer cancel()
	cmd.SetContext(ctx)
	a, err := f.open(cmd, needsStore)
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	defer func() { _ = a.close() }() // a completion says nothing of it
	found, err := words(ctx, a)
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	return found, cobra.ShellCompDirectiveNoFileComp
}
