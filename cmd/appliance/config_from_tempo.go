package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"appliance/internal/config"
	"appliance/internal/tempo"
)

func newConfigFromTempoCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "from-tempo FILE",
		Short: "Print what of a Tempo's configuration means something here",
		Long: `Print what of the Tempo configuration FILE (- for standard input) means something here,
as a configuration of the appliance. Comments name every other key of it with its line, and why
it means nothing here. FILE may be of any version of Tempo. It is only read, and a variable such
as ${PORT} in it stays one.
Exit code 0: translated; keys that no Tempo has are named on standard error. 2: FILE is not a
configuration of Tempo, or has a value that cannot be taken over.`,
		Example: "appliance config from-tempo tempo.yml > appliance.yaml",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			name, text, err := readTempoConfig(cmd, args[0])
			if err != nil {
				return err
			}
			translation, err := tempo.Translate(name, text)
			if err != nil {
				return err
			}
			for _, key := range translation.Unknown() {
				fmt.Fprintln(cmd.ErrOrStderr(), "note: "+key)
			}
			_, err = cmd.OutOrStdout().Write(translation.YAML())
			return err
		},
	}
}

// readTempoConfig returns what a file has, and its name for errors.
func readTempoConfig(cmd *cobra.Command, path string) (name string, text []byte, err error) {
	name, from := "standard input", cmd.InOrStdin()
	if path != "-" {
		f, err := os.Open(path)
		if errors.Is(err, os.ErrNotExist) {
			err = errors.New("no such file; give the one that Tempo's -config.file names")
		}
		if err != nil {
			return path, nil, &config.Error{Where: path, Err: err}
		}
		defer f.Close()
		name, from = path, f
	}
	text, err = io.ReadAll(io.LimitReader(from, tempo.MaxConfig+1))
	var inPath *os.PathError
	if errors.As(err, &inPath) {
		err = inPath.Err
	}
	if err != nil {
		return name, nil, &config.Error{Where: name, Err: err}
	}
	return name, text, nil
}
