package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"appliance/archive"
	"appliance/cmd/appliance/serve"
)

// confirmedStore is what `archive confirm-store -o json` prints.
type confirmedStore struct {
	Store   string `json:"store"`
	ID      string `json:"id"`
	Changed bool   `json:"changed"` // it was not that of the last run
}

func newArchiveConfirmStoreCommand(f *archiveFlags) *cobra.Command {
	var yes bool
	c := &cobra.Command{
		Use:   "confirm-store",
		Short: "Say that the store is the one that is meant, though it is not that of the last run",
		Long: `Say that the archive's store is the one that is meant, though it is not that of the last run. Until then serve purges nothing:
a disk that is not mounted, a bucket that was emptied or another prefix look so. What was archived to the store of the last
run stays there, and is not found any more. data_dir/archive-store.json remembers the store; serve heeds it with its next look.`,
		Example: `  appliance archive confirm-store
  appliance archive confirm-store --data-dir /var/lib/appliance --yes`,
		Args: cobra.NoArgs,
	}
	c.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	return f.command(c, needsStore, reportOutputs, func(ctx context.Context, a *openedArchive, out io.Writer, _ []string) error {
		known := archive.KnownStore{Store: a.store, File: serve.StoreFile(a.conf.DataDir)}
		err := known.Check(ctx)
		var changed *archive.StoreChangedError
		if err != nil && !errors.As(err, &changed) {
			return err
		}
		if changed != nil {
			blocks, err := a.List(ctx, archive.Filter{State: archive.StateArchived})
			if err != nil {
				return err
			}
			fmt.Fprintln(a.stderr, changed)
			if !yes {
				question := fmt.Sprintf("Archive to %s, which has %s, from now on?", a.store.URL(), several(len(blocks), "archived block"))
				if err := confirm(ctx, c.InOrStdin(), a.stderr, question); err != nil {
					return err
				}
			}
		}
		id, err := known.Confirm(ctx)
		if err != nil {
			return err
		}
		if a.output == "json" {
			return writeJSON(out, confirmedStore{a.store.URL(), id, changed != nil})
		}
		if changed == nil {
			_, err = fmt.Fprintf(out, "%s is the store of the last run: %s\n", a.store.URL(), id)
			return err
		}
		_, err = fmt.Fprintf(out, "%s is the archive's store from now on: %s\n", a.store.URL(), id)
		return err
	})
}
