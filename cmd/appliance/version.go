package main

import (
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"appliance/cmd/appliance/serve"
)

// version is the one that comes next. The Makefile reads it here, and sets what
// a build is called by -ldflags "-X main.version=...".
var version = "0.2.0-dev"

// tempoAPI is the version of Tempo whose read API and TraceQL are answered.
// Grafana shows what it offers by it.
const tempoAPI = "2.8.0"

func currentVersions() serve.Versions {
	v := serve.Versions{Version: version, TempoAPI: tempoAPI, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				v.Commit = s.Value
			}
		}
	}
	return v
}

func newVersionCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "version",
		Short: "Print the version of the appliance, and of the Tempo whose API it speaks",
		Args:  cobra.NoArgs,
	}
	output := addOutputFlag(c, reportOutputs)
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		format, err := output()
		if err != nil {
			return err
		}
		v := currentVersions()
		if format == "json" {
			return json.NewEncoder(cmd.OutOrStdout()).Encode(v)
		}
		_, err = fmt.Fprintf(cmd.OutOrStdout(), "appliance %s\ntempo API %s\n%s %s\n", v.Version, v.TempoAPI, v.Go, v.Platform)
		return err
	}
	return c
}
