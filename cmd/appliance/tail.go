package main

import "github.com/spf13/cobra"

func newTailCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "tail",
		Short: "Explain and try the rules of tail sampling",
		Long: `Rules of tail sampling (tail.rules) decide on whole traces, tail.decision_wait after their first span came.
docs/sampling.md has the rules.`,
	}
	c.AddCommand(newTailExplainCommand(), newTailTestCommand())
	return c
}
