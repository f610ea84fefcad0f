package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"appliance/cmd/appliance/serve"
	"appliance/internal/block"
	"appliance/internal/config"
	"appliance/internal/tail"
)

// trialResult is what `tail test -o json` prints.
type trialResult struct {
	Since      time.Time        `json:"since"`
	Blocks     int              `json:"blocks"`
	Unreadable int              `json:"unreadable_blocks"`
	Rules      []tail.TrialRule `json:"rules"`
}

func newTailTestCommand() *cobra.Command {
	var since string
	c := &cobra.Command{
		Use:   "test",
		Short: "Say what the rules would have kept of what is stored",
		Long: `Say what the rules of tail.rules would have kept of the traces that are stored in data_dir/blocks: of those that
began within --since, by the first rule that matches each. Nothing is changed. What head sampling, or rules that were in
force, left out is not there to be counted. A rate is taken for spans that come evenly over the time.`,
		Example: `  appliance tail test --config new.yaml --since 1h`,
		Args:    cobra.NoArgs,
	}
	c.Flags().StringVar(&since, "since", "1h", "look at traces that began within this time")
	output := addOutputFlag(c, reportOutputs)
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		format, err := output()
		if err != nil {
			return err
		}
		within, err := config.ParseDuration(since)
		if errors.Is(err, config.ErrTooLong) {
			return wrongUsage(cmd, fmt.Errorf("--since: %w", err))
		}
		if err != nil || within <= 0 {
			return wrongUsage(cmd, fmt.Errorf("--since %q is not a duration such as 1h", since))
		}
		conf, err := loadConfig(cmd)
		if err == nil {
			err = serve.CheckTail(conf)
		}
		if err != nil {
			return err
		}
		if len(conf.Tail.Rules) == 0 {
			return wrongUsage(cmd, errors.New("there are no rules: tail.rules is empty"))
		}
		result, err := tryRules(cmd.Context(), conf, time.Now().Add(-within))
		if err != nil {
			return err
		}
		if format == "json" {
			return writeJSON(cmd.OutOrStdout(), result)
		}
		return writeTrial(cmd.OutOrStdout(), result)
	}
	return addConfigFlags(c)
}

// tryRules applies the rules to the blocks that may have traces from a time on. A
// block that is deleted meanwhile costs itself alone.
func tryRules(ctx context.Context, conf config.Loaded, since time.Time) (*trialResult, error) {
	trial, err := tail.NewTrial(serve.TailSettings(conf).Rules, serve.TailThreshold(conf))
	if err != nil {
		return nil, conf.At("tail.rules", err)
	}
	dir := serve.BlocksDir(conf)
	tenants, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("nothing is stored in %s; name the data_dir of an appliance that stores spans itself", dir)
	}
	if err != nil {
		return nil, err
	}
	result := &trialResult{Since: since}
	for _, t := range tenants {
		if !t.IsDir() || strings.HasPrefix(t.Name(), "@") {
			continue
		}
		blocks, err := os.ReadDir(filepath.Join(dir, t.Name()))
		if err != nil {
			return nil, err
		}
		for _, b := range blocks {
			read, err := tryBlock(ctx, trial, t.Name(), filepath.Join(dir, t.Name(), b.Name()), since)
			switch {
			case ctx.Err() != nil:
				return nil, ctx.Err()
			case errors.Is(err, fs.ErrNotExist):
			case err != nil:
				result.Unreadable++
			case read:
				result.Blocks++
			}
		}
	}
	result.Rules = trial.Result(uint64(since.UnixNano()))
	return result, nil
}

func tryBlock(ctx context.Context, trial *tail.Trial, tenant, dir string, since time.Time) (read bool, err error) {
	src := block.OpenDir(dir)
	defer src.Close()
	meta, err := block.ReadMeta(ctx, src)
	if err != nil || meta.EndTime.Before(since) {
		return false, err
	}
	b, err := block.OpenMeta(ctx, src, meta, block.Options{})
	if err != nil {
		return false, err
	}
	for spans, err := range b.Traces(ctx) {
		if err != nil {
			return false, err
		}
		if err := trial.Add(tenant, spans); err != nil {
			return false, err
		}
	}
	return true, nil
}

func writeTrial(w io.Writer, r *trialResult) error {
	fmt.Fprintf(w, "%s with traces since %s", several(r.Blocks, "block"), r.Since.UTC().Format(time.RFC3339))
	if r.Unreadable > 0 {
		fmt.Fprintf(w, "; %s cannot be read", several(r.Unreadable, "block"))
	}
	fmt.Fprint(w, "\n\n")
	t := newTable(w)
	row(t, "RULE", "TRACES", "KEPT", "SPANS", "KEPT", "")
	var all tail.TrialRule
	line := func(name string, n tail.TrialRule) {
		share := ""
		if n.Spans > 0 {
			share = fmt.Sprintf("%.1f %%", 100*float64(n.KeptSpans)/float64(n.Spans))
		}
		row(t, name, humanize.Comma(n.Traces), humanize.Comma(n.KeptTraces), humanize.Comma(n.Spans), humanize.Comma(n.KeptSpans), share)
	}
	for _, n := range r.Rules {
		if n.Name == "" && n.Traces == 0 {
			continue
		}
		name := n.Name
		if name == "" {
			name = "(no rule)"
		}
		line(name, n)
		all.Traces, all.KeptTraces = all.Traces+n.Traces, all.KeptTraces+n.KeptTraces
		all.Spans, all.KeptSpans = all.Spans+n.Spans, all.KeptSpans+n.KeptSpans
	}
	line("all", all)
	return t.Flush()
}
