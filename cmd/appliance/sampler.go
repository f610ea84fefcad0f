package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"appliance/internal/config"
	"appliance/sampler"
)

// samplerConfig is what the sampler runs with: the configuration, and for keys that nobody set, the variables that
// people know from Jaeger and OpenTelemetry. The notes say which of those apply.
func samplerConfig(conf config.Loaded) (sampler.Config, []string, error) {
	c := sampler.Config{
		Mode:                 sampler.Mode(conf.Sampler.Mode),
		Probability:          conf.Sampler.Probability,
		Precision:            conf.Sampler.Precision,
		Services:             conf.Sampler.Services,
		TargetSpansPerSecond: conf.Sampler.TargetSpansPerSecond,
		Window:               conf.Sampler.Window,
	}
	if conf.Known("sampler.mode") { // else it would be judged beside another mode
		c.HashSeed = conf.Sampler.HashSeed
	}
	env, notes := sampler.EnvDefaults(os.Getenv)
	overridden := func(key string) bool {
		where, set := conf.Set[key]
		if set && len(notes) > 0 {
			notes = append(notes, fmt.Sprintf("%s is set by %s, which goes first", key, where))
		}
		return set
	}
	if !overridden("sampler.probability") {
		c.Probability = env.Probability
	}
	if !overridden("sampler.target_spans_per_second") {
		c.TargetSpansPerSecond = env.TargetSpansPerSecond
	}
	err := c.Validate()
	// For the sampler zero stands for its default; here somebody has written it.
	if c.Precision == 0 {
		err = errors.Join(err, &sampler.ConfigError{Key: "sampler.precision", Err: errors.New("0 is not between 1 and 14; 4 suits nearly everyone")})
	}
	if c.Window == 0 {
		err = errors.Join(err, &sampler.ConfigError{Key: "sampler.window", Err: errors.New("0s is not between 100ms and 1h; 10s suits nearly everyone")})
	}
	if err != nil {
		return c, nil, atKeys(conf, err)
	}
	return c, notes, nil
}

// atKeys says of each of the sampler's errors where its key was set.
func atKeys(conf config.Loaded, err error) error {
	all := []error{err}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		all = joined.Unwrap()
	}
	for i, err := range all {
		if wrong := (*sampler.ConfigError)(nil); errors.As(err, &wrong) {
			all[i] = conf.At(wrong.Key, wrong.Err)
		}
	}
	return errors.Join(all...)
}

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
		sc, _, err := samplerConfig(conf)
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
