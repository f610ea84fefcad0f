package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"appliance/internal/config"
)

// Exit codes, the same for every command.
const (
	exitFine    = 0
	exitError   = 1
	exitUsage   = 2 // the command line or the configuration
	exitPartial = 3 // damage found, or partly done
)

// usageError is a mistake in the command line.
type usageError struct {
	err  error
	hint string
}

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

// saidError is an error that stands in the log already.
type saidError struct{ err error }

func (e *saidError) Error() string { return e.err.Error() }
func (e *saidError) Unwrap() error { return e.err }

// run executes one command line and returns the exit code. Data goes to stdout,
// everything else to stderr.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	root := newRootCommand()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitFine
	}
	code, silent, ok := codeOf(err)
	if said := (*saidError)(nil); !errors.As(err, &said) && !silent {
		fmt.Fprintln(stderr, "appliance: "+err.Error())
	}
	var usage *usageError
	if errors.As(err, &usage) {
		fmt.Fprintln(stderr, usage.hint)
		return exitUsage
	}
	var conf *config.Error
	if errors.As(err, &conf) {
		return exitUsage
	}
	if ok {
		return code
	}
	return exitError
}

func newRootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "appliance",
		Short: "Distributed tracing you can trust: OTLP in, Tempo's blocks and read API out",
		Long: `appliance takes traces over OTLP/HTTP and OTLP/gRPC (Traefik, any OpenTelemetry SDK), samples them consistently, keeps them on disk
in blocks that any Grafana Tempo reads, archives these, and answers Grafana as a Tempo does. It can bring them to a Tempo
elsewhere instead.

Start it with: appliance serve`,
		Version:       version,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(cmd, args[0])
			}
			cmd.SetOut(cmd.OutOrStdout())
			return cmd.Help()
		},
	}
	root.SetVersionTemplate("appliance {{.Version}}\n")
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return &usageError{err, "Try: " + cmd.CommandPath() + " --help"}
	})
	root.AddCommand(
		newServeCommand(),
		newStatusCommand(),
		newSearchCommand(),
		newTraceCommand(),
		newDoctorCommand(),
		newDebugCommand(),
		newUsageCommand(),
		newHealthCommand(),
		newConfigCommand(),
		newArchiveCommand(),
		newSpoolCommand(),
		newReceiverCommand(),
		newSamplerCommand(),
		newTailCommand(),
		newNomadCommand(),
		newVersionCommand(),
	)
	root.InitDefaultCompletionCmd()
	root.InitDefaultHelpCmd()
	if help, _, err := root.Find([]string{"help"}); err == nil {
		// cobra's own takes a word that it does not know for none
		help.Run, help.RunE = nil, explain
	}
	wrapArgs(root)
	return root
}

// explain prints the help of the command that args name.
func explain(cmd *cobra.Command, args []string) error {
	wanted, rest, err := cmd.Root().Find(args)
	if err != nil {
		return wrongUsage(cmd, err)
	}
	if len(rest) > 0 {
		return unknownCommand(wanted, rest[0])
	}
	wanted.InitDefaultHelpFlag() // it stands among the flags
	return wanted.Help()
}

// unknownCommand is a mistake below c, with the commands that may have been meant.
func unknownCommand(c *cobra.Command, name string) error {
	text := fmt.Sprintf("unknown command %q", name)
	if c.HasParent() {
		text += fmt.Sprintf(" for %q", c.CommandPath())
	}
	c.SuggestionsMinimumDistance = 2
	if meant := c.SuggestionsFor(name); len(meant) > 0 {
		text += "; did you mean " + strings.Join(meant, " or ") + "?"
	}
	return &usageError{errors.New(text), "Try: " + c.CommandPath() + " --help"}
}

// addConfigFile gives a command the flag --config.
func addConfigFile(flags *pflag.FlagSet) {
	flags.String("config", os.Getenv("APPLIANCE_CONFIG"), "configuration file (YAML); also APPLIANCE_CONFIG")
}

// addConfigFlags gives a command --config, and the flags of those keys that mean
// something to it.
func addConfigFlags(c *cobra.Command, paths ...string) *cobra.Command {
	addConfigFile(c.Flags())
	for _, k := range config.Keys() {
		if k.Flag != "" && slices.Contains(paths, k.Path) {
			c.Flags().String(k.Flag, "", fmt.Sprintf("%s (key %s; also %s)", strings.TrimSuffix(lowerFirst(k.Doc), "."), k.Path, k.Env))
		}
	}
	return c
}

// allKeys are the paths of every key, for a command to which all of them matter.
func allKeys() []string {
	var paths []string
	for _, k := range config.Keys() {
		paths = append(paths, k.Path)
	}
	return paths
}

// wrapArgs makes a wrong number of arguments a usage error, and a word that is no
// command one with suggestions, for every command below c.
func wrapArgs(c *cobra.Command) {
	for _, sub := range c.Commands() {
		if check := sub.Args; check != nil && !sub.HasSubCommands() {
			sub.Args = func(cmd *cobra.Command, args []string) error {
				if err := check(cmd, args); err != nil {
					return wrongArgs(cmd, args, err)
				}
				return nil
			}
		}
		if sub.HasSubCommands() {
			sub.Args = cobra.ArbitraryArgs
			sub.RunE = func(cmd *cobra.Command, args []string) error {
				if len(args) > 0 {
					return unknownCommand(cmd, args[0])
				}
				return cmd.Help()
			}
		}
		wrapArgs(sub)
	}
}

// wrongArgs says how many arguments a command takes, in place of err, unless that
// is of what an argument says.
func wrongArgs(c *cobra.Command, args []string, err error) error {
	write := strings.TrimSuffix(c.CommandPath(), c.Name()) + c.Use
	switch said := (*argumentError)(nil); {
	case errors.As(err, &said):
	case len(args) == 0:
		err = fmt.Errorf("an argument is missing; write: %s", write)
	default:
		err = fmt.Errorf("%q is an argument too many; write: %s", args[len(args)-1], write)
	}
	return wrongUsage(c, err)
}

// argumentError is an argument that cannot be what it stands for.
type argumentError struct{ error }

func (e *argumentError) Unwrap() error { return e.error }

// loadConfig reads the configuration that the command line, the environment and the file give.
func loadConfig(cmd *cobra.Command) (config.Loaded, error) {
	src := config.Sources{Flags: map[string]string{}, Getenv: os.LookupEnv}
	src.File, _ = cmd.Flags().GetString("config")
	for _, k := range config.Keys() {
		if k.Flag == "" || !cmd.Flags().Changed(k.Flag) {
			continue
		}
		// A flag of another type is the command's own, such as the retention of a job.
		if text, err := cmd.Flags().GetString(k.Flag); err == nil {
			src.Flags[k.Flag] = text
		}
	}
	return config.Load(src)
}

func lowerFirst(s string) string {
	if len(s) > 1 && s[0] >= 'A' && s[0] <= 'Z' && !(s[1] >= 'A' && s[1] <= 'Z') {
		return string(s[0]+'a'-'A') + s[1:]
	}
	return s
}
