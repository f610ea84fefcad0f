package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"appliance/internal/tempo"
)

func newConfigFromTempoCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "from-tempo FILE",
		Short: "Translate a Tempo configuration, as far as it means something here",
		Long: `Print what of Tempo's configuration in FILE means something here, as a configuration of the appliance, to standard
output. What means nothing here is named there too, in comments, each with the reason. FILE may be - for standard input.
Exit code 0: translated. 2: FILE cannot be read, or is not a configuration of Tempo.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			text, err := os.ReadFile(args[0])
			if err != nil {
				return fmt.Errorf("read Tempo's configuration: %w", err)
			}
			translated, err := tempo.Translate(args[0], text)
			if err != nil {
				return err
			}
			_, err = cmd.OutOrStdout().Write(translated)
			return err
		},
	}
}
