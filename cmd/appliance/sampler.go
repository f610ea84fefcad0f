package main

import (
	"io"

	"github.com/spf13/cobra"

	"appliance/cmd/appliance/serve"
	"appliance/sampler"
)

func newSamplerCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "sampler",
		Short: "Explain what is kept and why",
	}
	c.AddCommand(newSamplerExplainCommand())
	return c
}

func newSamplerExplainCommand() *cobra.Command {
	var (
		q        sampler.Question
		priority float64
	)
	c := &cobra.Command{
		Use:   "explain TRACE_ID",
		Short: "Say what the configured sampler does to a trace, and why",
		Example: `  appliance sampler explain 4bf92f3577b34da6a3ce929d0e0e4736
  appliance sampler explain 4bf92f3577b34da6a3ce929d0e0e4736 --tracestate 'ot=th:c' --service shop --sampler-probability 0.1`,
		Args: cobra.ExactArgs(1),
	}
	output := addOutputFlag(c, reportOutputs)
	c.RunE = func(cmd *cobra.Command, args []string) error {
		format, err := output()
		if err != nil {
			return err
		}
		conf, err := loadConfig(cmd)
		if err != nil {
			return err
		}
		sc, _, err := serve.SamplerConfig(conf)
		if err != nil {
			return err
		}
		q.TraceID = args[0]
		if cmd.Flags().Changed("priority") {
			q.Priority = &priority
		}
		e, err := sampler.Explain(sc, q)
		if err != nil {
			return wrongUsage(cmd, err)
		}
		if format == "json" {
			return writeJSON(cmd.OutOrStdout(), e)
		}
		_, err = io.WriteString(cmd.OutOrStdout(), e.Text())
		return err
	}
	c.Flags().StringVar(&q.TraceState, "tracestate", "", "W3C tracestate that the span carries, such as ot=th:c;rv:d29d6a7215ced0")
	c.Flags().StringVar(&q.Service, "service", "", "service.name of the span's resource")
	c.Flags().Float64Var(&priority, "priority", 0, "the span's sampling.priority attribute")
	return addConfigFlags(c, "sampler.probability")
}
