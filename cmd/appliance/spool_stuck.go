package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"appliance/cmd/appliance/serve"
	"appliance/internal/otlpwire"
	"appliance/internal/spool"
)

func newSpoolStuckCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "stuck",
		Short: "Spans that a Tempo elsewhere does not take while it takes others",
		Long: `Spans that a Tempo elsewhere, or what is in front of it, does not take while it takes others of their tenant are set aside below
data_dir/spool/stuck, so that they hold nothing up. They are not lost: they are tried again, each minute at first and each
ten minutes while nothing of them is taken.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	c.AddCommand(newStuckListCommand(), newStuckRetryCommand(), newStuckDropCommand())
	return c
}

// stuckRow is one stuck record, as it is listed.
type stuckRow struct {
	ID       spool.StuckID `json:"id"`
	Tenant   string        `json:"tenant"`
	Spans    int           `json:"spans"`
	Bytes    int           `json:"bytes"`
	Received time.Time     `json:"received"`
	Since    time.Time     `json:"stuck_since"`
	Why      string        `json:"why"`
	TraceID  string        `json:"trace_id"` // of the first span
	SpanID   string        `json:"span_id"`
	Service  string        `json:"service"`
	Name     string        `json:"name"`
}

// stuckRows lists what is stuck in the spool in dir.
func stuckRows(dir string) ([]stuckRow, error) {
	entries, err := spool.InspectStuck(nil, dir)
	if err != nil {
		return nil, err
	}
	rows := make([]stuckRow, 0, len(entries))
	limits := otlpwire.Limits{MaxDepth: 1 << 10, MaxSpans: 1 << 30, MaxAttributes: 1 << 30}
	for _, e := range entries {
		row := stuckRow{ID: e.ID, Tenant: e.Tenant, Spans: e.Spans, Bytes: len(e.Payload), Received: e.Time, Since: e.Since, Why: e.Why}
		if _, err := limits.Walk(e.Payload, func(s *otlpwire.Span) {
			if row.TraceID == "" {
				row.TraceID, row.SpanID = hex.EncodeToString(s.TraceID), hex.EncodeToString(s.SpanID)
				row.Service, row.Name = string(s.Service), string(s.Name)
			}
		}); err != nil {
			return nil, fmt.Errorf("scan stuck record %s: %w", e.ID, err)
		}
		rows = append(rows, row)
	}
	return rows, nil
}

func newStuckListCommand() *cobra.Command {
	return spoolCommand("list", "List the stuck spans, and what was said when they were tried", "Nothing is changed. A record is one request of a client, with those of its spans that are stuck.",
		segmentOutputs, func(w io.Writer, dir, output string) error {
			rows, err := stuckRows(dir)
			if err != nil {
				return err
			}
			switch output {
			case "json":
				return writeJSON(w, rows)
			case "jsonl":
				return writeList(w, output, rows, nil)
			}
			if len(rows) == 0 {
				fmt.Fprintln(w, "nothing is stuck")
				return nil
			}
			table := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
			fmt.Fprintln(table, "ID\tTENANT\tSPANS\tRECEIVED\tTRACE\tSPAN\tWHY")
			for _, r := range rows {
				fmt.Fprintf(table, "%s\t%s\t%d\t%s\t%s\t%s %q\t%s\n", r.ID, r.Tenant, r.Spans, r.Received.UTC().Format(time.RFC3339), r.TraceID, r.Service, r.Name, r.Why)
			}
			return table.Flush()
		})
}

func newStuckRetryCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "retry",
		Short: "Have a running appliance try all stuck spans now",
		Long:  "Have a running appliance try all stuck spans now, such as after the cause is mended. Where none runs the next start does.",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			conf, err := loadConfig(cmd)
			if err != nil {
				return err
			}
			rows, err := stuckRows(filepath.Join(conf.DataDir, "spool"))
			if err != nil {
				return err
			}
			if len(rows) == 0 {
				fmt.Fprintln(cmd.OutOrStdout(), "nothing is stuck")
				return nil
			}
			done, err := giveOrder(cmd.Context(), cmd.OutOrStdout(), conf.DataDir, serve.Order{Retry: true})
			if done {
				fmt.Fprintln(cmd.OutOrStdout(), "they are tried now; see: appliance spool stuck list")
			}
			return err
		},
	}
	return addConfigFlags(c, "data_dir")
}

func newStuckDropCommand() *cobra.Command {
	var all, yes bool
	c := &cobra.Command{
		Use:   "drop {ID... | --all}",
		Short: "Give stuck spans up, for good",
		Long: `Give stuck spans up, for good. The ledger counts them as discarded, by the reason "operator". It is asked first. Where no
appliance runs the next start does it.`,
		Example: "  appliance spool stuck drop --all --yes",
	}
	c.Flags().BoolVar(&all, "all", false, "all that is stuck now")
	c.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	c.RunE = func(cmd *cobra.Command, args []string) error {
		if all != (len(args) == 0) {
			return wrongUsage(cmd, errors.New("name the records to drop, as list shows them, or all of them with --all"))
		}
		conf, err := loadConfig(cmd)
		if err != nil {
			return err
		}
		dir := filepath.Join(conf.DataDir, "spool")
		rows, err := stuckRows(dir)
		if err != nil {
			return err
		}
		ids, spans, err := chooseStuck(rows, args)
		if err != nil {
			return err
		}
		if len(ids) == 0 {
			fmt.Fprintln(cmd.OutOrStdout(), "nothing is stuck")
			return nil
		}
		if !yes {
			if err := confirm(cmd.Context(), cmd.InOrStdin(), cmd.ErrOrStderr(), fmt.Sprintf("Drop %s for good?", several(spans, "span"))); err != nil {
				return err
			}
		}
		done, err := giveOrder(cmd.Context(), cmd.OutOrStdout(), conf.DataDir, serve.Order{Drop: ids})
		if err != nil || !done {
			return err
		}
		left, err := stuckRows(dir)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(left, func(r stuckRow) bool { return slices.Contains(ids, r.ID) }) {
			return fmt.Errorf("some of %s are still there; the appliance's log says why", several(spans, "span"))
		}
		fmt.Fprintf(cmd.OutOrStdout(), "dropped %s; they count as discarded by an operator\n", several(spans, "span"))
		return nil
	}
	return addConfigFlags(c, "data_dir")
}

// chooseStuck finds the records that args name; all of them without any.
func chooseStuck(rows []stuckRow, args []string) (ids []spool.StuckID, spans int, err error) {
	for _, arg := range args {
		if !slices.ContainsFunc(rows, func(r stuckRow) bool { return string(r.ID) == arg }) {
			return nil, 0, fmt.Errorf("no stuck record is called %q; see: appliance spool stuck list", arg)
		}
	}
	for _, r := range rows {
		if len(args) == 0 || slices.Contains(args, string(r.ID)) {
			ids = append(ids, r.ID)
			spans += r.Spans
		}
	}
	return ids, spans, nil
}

// giveOrder says where an order is done later; done is true where it was.
func giveOrder(ctx context.Context, out io.Writer, dataDir string, o serve.Order) (done bool, err error) {
	path, err := o.Give(dataDir)
	if err != nil {
		return false, err
	}
	done, err = serve.Obeyed(ctx, path)
	if err == nil && !done {
		fmt.Fprintf(out, "no appliance on %s has done it yet; a running one will, or the next start\n", dataDir)
	}
	return done, err
}
