package main

import (
	"os"

	"github.com/spf13/cobra"

	"appliance/internal/config"
	"appliance/internal/tempo"
	"appliance/internal/tempo/tempoapp"
)

// newTempoCommand is the embedded Tempo's process. serve starts it; it is of no use to a person.
func newTempoCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "tempo CONFIG_FILE",
		Short:  "Run the embedded Tempo (started by serve)",
		Hidden: true,
		Args:   cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			return tempoapp.Run(args[0], os.Stdin)
		},
	}
}

// tempoSettings returns what the embedded Tempo runs with, and notes on the settings of tempo.config_file that the
// appliance overrules.
func tempoSettings(conf config.Loaded) (tempo.Settings, []string, error) {
	s := tempo.Settings{
		Dir:         tempoDir(conf),
		Retention:   conf.Tempo.Retention,
		KeepBlocks:  conf.Archive.Enabled,
		MultiTenant: len(conf.Receiver.Tenants) > 0,
		UserFile:    conf.Tempo.ConfigFile,
	}
	if s.UserFile == "" {
		return s, nil, nil
	}
	where := conf.Set["tempo.config_file"]
	text, err := tempo.ReadUserFile(s.UserFile, tempoapp.Check)
	if err != nil {
		return s, nil, &config.Error{Where: where, Err: err}
	}
	s.UserFileText = text
	merged, notes, err := tempo.Generate(s, tempo.Ports{HTTP: 1, GRPC: 2, OTLP: 3})
	if err != nil {
		return s, nil, &config.Error{Where: where, Err: err}
	}
	if err := tempoapp.Check(merged); err != nil {
		return s, nil, &config.Error{Where: where, Err: err}
	}
	return s, notes, nil
}
