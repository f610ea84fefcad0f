package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"appliance/cmd/appliance/serve"
	"appliance/internal/config"
	"appliance/internal/durable"
	"appliance/internal/ledger"
	"appliance/internal/spool"
)

// acknowledgeEvery is how often a running appliance is asked whether it has taken
// in what was acknowledged. It reads that every second.
const acknowledgeEvery = 250 * time.Millisecond

func newSpoolAcknowledgeCommand() *cobra.Command {
	var reach clientFlags
	c := &cobra.Command{
		Use:   "acknowledge-loss",
		Short: "End the alarm about spans that are damaged or unaccounted for",
		Long: `Say that you know of the spans that are damaged or unaccounted for now. They stay in the account, as
acknowledged loss, and are an alarm no more: "appliance status" ends with 0 again, and a start does not complain. What
is lost later is an alarm again.

It works with or without a running appliance: of one that runs it asks the account at http.listen.`,
		Args: cobra.NoArgs,
	}
	reach.add(c)
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		conf, err := loadConfig(cmd)
		if err != nil {
			return err
		}
		from, err := reach.open(cmd)
		if err != nil {
			return err
		}
		return acknowledgeLoss(cmd.Context(), cmd.OutOrStdout(), conf, from)
	}
	return addConfigFlags(c, "data_dir", "http.listen")
}

func acknowledgeLoss(ctx context.Context, out io.Writer, conf config.Loaded, from *asker) error {
	lock, err := durable.LockDir(conf.DataDir)
	var held *durable.HeldError
	switch {
	case errors.As(err, &held):
		return acknowledgeRunning(ctx, out, conf, from)
	case err != nil:
		return fmt.Errorf("%w; set data_dir to that of the appliance", err)
	}
	defer func() { _ = lock.Unlock() }()
	account, err := storedAccount(conf.DataDir)
	if err != nil {
		return err
	}
	return acknowledge(out, conf.DataDir, account)
}

// storedAccount is the account of an appliance that does not run.
func storedAccount(dataDir string) (ledger.Account, error) {
	st, err := spool.Inspect(nil, filepath.Join(dataDir, "spool"))
	if err != nil {
		return ledger.Account{}, err
	}
	l, err := ledger.Open(durable.OS, serve.LedgerFile(dataDir), st)
	if err != nil {
		return ledger.Account{}, err
	}
	seen, err := ledger.ReadAcknowledged(durable.OS, serve.AcknowledgedFile(dataDir))
	if err != nil {
		return ledger.Account{}, err
	}
	l.Acknowledge(seen)
	return l.Balance(ledger.Counts{}, st), nil
}

// acknowledgeRunning acknowledges what a running appliance shows, and waits until
// it has taken that in.
func acknowledgeRunning(ctx context.Context, out io.Writer, conf config.Loaded, from *asker) error {
	_, s, err := fetchStatus(ctx, from)
	if err != nil {
		return err
	}
	before := s.Ledger
	if err := acknowledge(out, conf.DataDir, before); err != nil || before.Damaged+before.Unaccounted == 0 {
		return err
	}
	over := time.After(statusLimit)
	for s.Ledger.AcknowledgedLoss <= before.AcknowledgedLoss {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-over:
			return fmt.Errorf("the appliance at %s does not show it after %s; is data_dir %s its own?", from.shown, statusLimit, conf.DataDir)
		case <-time.After(acknowledgeEvery):
		}
		if _, s, err = fetchStatus(ctx, from); err != nil {
			return err
		}
	}
	return nil
}

func acknowledge(out io.Writer, dataDir string, account ledger.Account) error {
	if account.Damaged+account.Unaccounted == 0 {
		fmt.Fprintln(out, "no spans are damaged or unaccounted for; nothing to acknowledge")
		return nil
	}
	all, err := ledger.Acknowledge(durable.OS, serve.AcknowledgedFile(dataDir), account)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "acknowledged as lost: %d damaged and %d unaccounted spans; %d in all\n", account.Damaged, account.Unaccounted, all.Spans())
	return nil
}
