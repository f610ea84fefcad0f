package main

import (
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"appliance/cmd/appliance/serve"
	"appliance/internal/config"
)

func newConfigCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "config",
		Short: "Check or print the configuration",
	}
	c.AddCommand(newConfigValidateCommand(), newConfigPrintCommand(), newConfigFromTempoCommand())
	return c
}

func newConfigValidateCommand() *cobra.Command {
	return addConfigFlags(&cobra.Command{
		Use:   "validate [FILE]",
		Short: "Check the configuration, and say every mistake in it",
		Long: `Check the configuration that FILE (or --config), the environment and the flags give together.
Every mistake is named with its place, also what serve would refuse on this machine, such as a file that is missing here.
A variable APPLIANCE_... that stands for no key is a mistake too.
Exit code 0: usable. 2: not.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				if err := cmd.Flags().Set("config", args[0]); err != nil {
					return err
				}
			}
			conf, err := loadConfig(cmd)
			errs := []error{err, serve.Check(conf)}
			mistakes, others := config.Misspelled(os.Environ())
			for _, mistake := range mistakes {
				errs = append(errs, mistake)
			}
			for _, other := range others {
				fmt.Fprintf(cmd.ErrOrStderr(), "note: %v\n", other)
			}
			if err := errors.Join(errs...); err != nil {
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout(), "the configuration is valid")
			return nil
		},
	}, allKeys()...)
}

// misspelled are notes on variables of the environment that stand for no key.
func misspelled() []string {
	var notes []string
	mistakes, others := config.Misspelled(os.Environ())
	for _, mistake := range slices.Concat(mistakes, others) {
		notes = append(notes, mistake.Error())
	}
	return notes
}

func newConfigPrintCommand() *cobra.Command {
	var defaults, diff bool
	c := &cobra.Command{
		Use:   "print",
		Short: "Print the configuration as YAML, credentials hidden",
		Long: `Print the configuration that the file, the environment and the flags give together, as YAML that can be used as a file. The
variables JAEGER_SAMPLER_* and OTEL_TRACES_SAMPLER* have their effect on it, as they have on serve.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if defaults && diff {
				return &usageError{fmt.Errorf("--defaults and --diff exclude each other"), "Try: appliance config print --help"}
			}
			if defaults {
				for _, k := range config.Keys() {
					if k.Flag != "" && cmd.Flags().Changed(k.Flag) {
						return wrongUsage(cmd, fmt.Errorf("--defaults and --%s exclude each other", k.Flag))
					}
				}
				return config.PrintDefaults(cmd.OutOrStdout())
			}
			conf, err := loadConfig(cmd)
			if err != nil {
				return err
			}
			inForce, notes, err := serve.SamplerConfig(conf)
			if err != nil {
				return err
			}
			conf.Sampler.Probability, conf.Sampler.TargetSpansPerSecond = inForce.Probability, inForce.TargetSpansPerSecond
			for _, n := range slices.Concat(misspelled(), notes) {
				fmt.Fprintln(cmd.ErrOrStderr(), "note: "+n)
			}
			if diff {
				return conf.PrintDiff(cmd.OutOrStdout())
			}
			return conf.Print(cmd.OutOrStdout())
		},
	}
	c.Flags().BoolVar(&defaults, "defaults", false, "print the defaults")
	c.Flags().BoolVar(&diff, "diff", false, "print only what differs from the defaults")
	return addConfigFlags(c, allKeys()...)
}
