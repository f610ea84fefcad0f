package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"appliance/archive"
	"appliance/cmd/appliance/serve"
)

func newUsageCommand() *cobra.Command {
	var reach clientFlags
	var withArchive bool
	var blocks, top int
	c := &cobra.Command{
		Use:   "usage",
		Short: "Show what fills the disk, by service and operation, and what would halve it",
		Long: `Ask a running appliance which services and operations fill its disk: the spans that were kept in the last day, and with
--archive those in the archive. Each part ends with what would about halve it: a rule, or a sampling.

Of the archive some blocks are read, spread over the time that it has; the others are taken to be like them. That takes up to
20 seconds of one processor.`,
		Example: `  appliance usage
  appliance usage --archive --blocks 100 -o json`,
		Args: cobra.NoArgs,
	}
	output := addOutputFlag(c, reportOutputs)
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		format, err := output()
		if err != nil {
			return err
		}
		switch {
		case blocks < 1 || blocks > serve.UsageMost:
			return wrongUsage(cmd, fmt.Errorf("--blocks %d is not between 1 and %d", blocks, serve.UsageMost))
		case top < 1:
			return wrongUsage(cmd, fmt.Errorf("--top %d is not above 0", top))
		}
		from, err := reach.open(cmd)
		if err != nil {
			return err
		}
		path := serve.UsagePath
		if withArchive {
			path += fmt.Sprintf("?archive=%d", blocks)
		}
		body, u, err := fetchUsage(cmd.Context(), from, path)
		if err != nil {
			return err
		}
		if format == "json" {
			_, err = cmd.OutOrStdout().Write(body)
			return err
		}
		return writeUsage(cmd.OutOrStdout(), u, top)
	}
	reach.add(c)
	c.Flags().BoolVar(&withArchive, "archive", false, "read the archive too")
	c.Flags().IntVar(&blocks, "blocks", serve.UsageBlocks, "how many blocks of the archive are read")
	c.Flags().IntVar(&top, "top", 20, "how many operations are shown as text")
	return addConfigFlags(c, "http.listen")
}

func fetchUsage(ctx context.Context, from *asker, path string) ([]byte, serve.Usage, error) {
	var u serve.Usage
	ctx, cancel := context.WithTimeout(ctx, serve.UsageBudget+10*time.Second)
	defer cancel()
	a, err := from.get(ctx, path, serve.MaxUsage)
	if err == nil {
		err = a.trouble()
	}
	if err != nil {
		return nil, u, err
	}
	if err := json.Unmarshal(a.body, &u); err != nil {
		return nil, u, fmt.Errorf("%s does not answer as an appliance does: %w", from.shown+serve.UsagePath, err)
	}
	return a.body, u, nil
}

func writeUsage(w io.Writer, u serve.Usage, top int) error {
	if d := u.LastDay; d == nil {
		fmt.Fprintln(w, "spans are not counted: metrics.max_series is 0")
	} else {
		fmt.Fprintf(w, "kept since %s: %s, %s of OTLP", d.From.UTC().Format(time.RFC3339), several(d.Spans, "span"), sizeText(d.OTLPBytes))
		if d.DiskBytes > 0 {
			fmt.Fprintf(w, "; the blocks on this disk take %s", sizeText(d.DiskBytes))
		}
		fmt.Fprintln(w)
		if err := writeOperations(w, d.Operations, d.Halve, top); err != nil {
			return err
		}
	}
	if u.Archive == nil {
		return nil
	}
	fmt.Fprintf(w, "\narchive: %s in %s, of which %d were read", sizeText(u.Archive.Bytes), several(u.Archive.Blocks, "block"), u.Archive.Read)
	if u.Archive.Unreadable > 0 {
		fmt.Fprintf(w, " and %d could not be read", u.Archive.Unreadable)
	}
	fmt.Fprintln(w)
	return writeOperations(w, u.Archive.Operations, u.Archive.Halve, top)
}

func writeOperations(w io.Writer, operations []archive.OperationUsage, halve []string, top int) error {
	if len(operations) == 0 {
		return nil
	}
	var total int64
	for _, o := range operations {
		total += o.Bytes
	}
	t := newTable(w)
	row(t, "SERVICE", "OPERATION", "SPANS", "SIZE", "SHARE")
	for i, o := range operations {
		if i == top {
			break
		}
		row(t, fmt.Sprintf("%.60q", o.Service), fmt.Sprintf("%.80q", o.Operation), humanize.Comma(o.Spans), sizeText(o.Bytes), fmt.Sprintf("%d %%", 100*o.Bytes/max(1, total)))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if n := len(operations) - top; n > 0 {
		fmt.Fprintf(w, "and %s more\n", several(n, "operation"))
	}
	for i, h := range halve {
		word := "to halve it:"
		if i > 0 {
			word = "or:"
		}
		fmt.Fprintln(w, word, h)
	}
	return nil
}
