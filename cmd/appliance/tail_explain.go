package main

import (
	"encoding/hex"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"appliance/cmd/appliance/serve"
	"appliance/internal/tail"
)

func newTailExplainCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "explain TRACE_ID",
		Short: "Say which rule decided on a trace, and when",
		Long: `Say which rule of tail.rules decided on a trace, and when. Verdicts are read from data_dir/tail, with or without an
appliance that is running. They are there for tail.remember at least.`,
		Example: `  appliance tail explain 4bf92f3577b34da6a3ce929d0e0e4736`,
		Args:    cobra.ExactArgs(1),
	}
	output := addOutputFlag(c, reportOutputs)
	c.RunE = func(cmd *cobra.Command, args []string) error {
		format, err := output()
		if err != nil {
			return err
		}
		id, err := traceIDOf(cmd, args[0])
		if err != nil {
			return err
		}
		conf, err := loadConfig(cmd)
		if err != nil {
			return err
		}
		found, err := tail.Explain(nil, serve.TailDir(conf), id)
		if err != nil {
			return err
		}
		if format == "json" {
			if found == nil {
				found = []tail.Explanation{}
			}
			return writeJSON(cmd.OutOrStdout(), found)
		}
		writeVerdicts(cmd.OutOrStdout(), hex.EncodeToString(id[:]), found)
		return nil
	}
	return addConfigFlags(c)
}

func writeVerdicts(w io.Writer, id string, found []tail.Explanation) {
	if len(found) == 0 {
		fmt.Fprintf(w, "%s: no verdict is known; it is not decided yet, its verdict is too old, or it was never received\n", id)
	}
	for _, v := range found {
		what := "keeps it"
		switch p := v.Probability(); {
		case p == 0:
			what = "leaves it out"
		case p < 1 && v.Kept:
			what = fmt.Sprintf("keeps it, as %.4g %% of the traces", 100*p)
		case p < 1:
			what = fmt.Sprintf("leaves it out, and keeps %.4g %% of the traces", 100*p)
		}
		fmt.Fprintf(w, "%s of tenant %s: %s %s\n", id, v.Tenant, v.By(), what)
		fmt.Fprintf(w, "  decided %s, on %s", v.Time.UTC().Format(time.RFC3339), several(int(v.Spans), "span"))
		if v.RootMissing {
			fmt.Fprint(w, " without a root")
		}
		if v.Early {
			fmt.Fprint(w, ", before tail.decision_wait was over")
		}
		fmt.Fprintln(w)
	}
}
