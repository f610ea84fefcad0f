package main

import (
	"errors"

	"github.com/spf13/cobra"

	"appliance/cmd/appliance/serve"
	"appliance/internal/config"
	"appliance/internal/telemetry"
)

func newServeCommand() *cobra.Command {
	return addConfigFlags(&cobra.Command{
		Use:   "serve",
		Short: "Run the appliance",
		Long: `Run the appliance: OTLP/HTTP in on receiver.listen, OTLP/gRPC on receiver.grpc_listen, Tempo's read API on http.listen.
Every span answered 200 is on disk, and stays in the spool until it was read back from a block that survives any crash.
The blocks are in data_dir/blocks, in the format that Tempo reads. With forwarder.tempo_url spans go to that Tempo instead.
SIGINT or SIGTERM stops it in order; a second one ends it at once. SIGHUP reads the keys of sampler and tail again.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			conf, err := loadConfig(cmd)
			if err = errors.Join(err, serve.Check(conf)); err != nil {
				return err
			}
			logger, text := telemetry.NewLogger(cmd.ErrOrStderr(), conf.Log.Level, conf.Log.Format)
			o := serve.Options{
				Config: conf, Reload: func() (config.Loaded, error) { return loadConfig(cmd) },
				Versions: currentVersions(), Logger: logger, Notes: misspelled(),
			}
			if text {
				o.Greeting = cmd.ErrOrStderr()
			}
			err = serve.Run(cmd.Context(), o)
			if err != nil && !text {
				logger.Error("the appliance cannot go on", "err", err)
				return &saidError{err}
			}
			return err
		},
	}, allKeys()...)
}
