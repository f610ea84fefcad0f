package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/mattn/go-isatty"
	"github.com/spf13/cobra"

	"appliance/cmd/appliance/status"
)

const (
	maxStatus   = 4 << 20 // bytes of its answer
	watchEvery  = time.Second
	statusLimit = 5 * time.Second // for an answer
)

func newStatusCommand() *cobra.Command {
	var reach clientFlags
	var watch bool
	c := &cobra.Command{
		Use:   "status",
		Short: "Show what became of every span, and how the spool, the blocks and the archive are",
		Long: `Ask a running appliance what became of every span:

  received = kept + sampled out + rejected + ruled out
  kept     = pending + stuck + proven + discarded + damaged + unaccounted + acknowledged loss

pending spans are in the spool; proven ones were read back from a block that survives any crash, or, with a Tempo
elsewhere, were acknowledged long enough ago (the forwarder's proof is "settled" then). stuck ones are those that such a
Tempo does not take while it takes others (appliance spool stuck). unaccounted is 0, or something is wrong. Exit code 3 says
that spans are damaged or unaccounted for; "appliance spool acknowledge-loss" makes that acknowledged loss.`,
		Args: cobra.NoArgs,
	}
	output := addOutputFlag(c, reportOutputs)
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		format, err := output()
		if err != nil {
			return err
		}
		from, err := reach.open(cmd)
		if err != nil {
			return err
		}
		return showStatus(cmd.Context(), cmd.OutOrStdout(), from, format, watch)
	}
	reach.add(c)
	c.Flags().BoolVarP(&watch, "watch", "w", false, "show it again every second")
	return addConfigFlags(c, "http.listen")
}

func showStatus(ctx context.Context, out io.Writer, from *asker, output string, watch bool) error {
	f, isFile := out.(interface{ Fd() uintptr })
	clearScreen := watch && output == "text" && isFile && isatty.IsTerminal(f.Fd())
	var last *status.Status
	for {
		body, s, err := fetchStatus(ctx, from)
		if err != nil {
			return err
		}
		if clearScreen {
			fmt.Fprint(out, "\x1b[H\x1b[2J")
		}
		if output == "json" {
			_, err = out.Write(body)
		} else {
			_, err = io.WriteString(out, status.Text(s, last))
		}
		if err != nil {
			return err
		}
		if !watch {
			if s.Ledger.Unaccounted != 0 || s.Ledger.Damaged != 0 {
				return &codeError{exitPartial, fmt.Errorf("%s damaged and %d unaccounted for", several(s.Ledger.Damaged, "span"), s.Ledger.Unaccounted)}
			}
			return nil
		}
		last = &s
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(watchEvery):
		}
	}
}

func fetchStatus(ctx context.Context, from *asker) ([]byte, status.Status, error) {
	ctx, cancel := context.WithTimeout(ctx, statusLimit)
	defer cancel()
	var s status.Status
	a, err := from.get(ctx, status.Path, maxStatus)
	if err != nil {
		return nil, s, err
	}
	if a.status != http.StatusOK {
		return nil, s, fmt.Errorf("%s answers %d %s", from.shown+status.Path, a.status, http.StatusText(a.status))
	}
	if err := json.Unmarshal(a.body, &s); err != nil {
		return nil, s, fmt.Errorf("%s does not answer as an appliance does: %w", from.shown+status.Path, err)
	}
	return a.body, s, nil
}
