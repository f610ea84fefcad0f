package main

import (
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// version is set by the Makefile: -ldflags "-X main.version=..."
var version = "0.1.0-dev"

// tempoAPI is the version of Tempo whose read API and TraceQL are answered.
// Grafana shows what it offers by it.
const tempoAPI = "2.8.0"

type versions struct {
	Version  string `json:"version"`
	Commit   string `json:"commit,omitempty"`
	TempoAPI string `json:"tempo_api"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

func currentVersions() versions {
	v := versions{Version: version, TempoAPI: tempoAPI, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
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
	var output string
	c := &cobra.Command{
		Use:   "version",
		Short: "Print the version of the appliance, and of the Tempo whose API it speaks",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			v := currentVersions()
			switch output {
			case "text":
				fmt.Fprintf(cmd.OutOrStdout(), "appliance %s\ntempo API %s\n%s %s\n", v.Version, v.TempoAPI, v.Go, v.Platform)
				return nil
			case "json":
				return json.NewEncoder(cmd.OutOrStdout()).Encode(v)
			}
			return &usageError{fmt.Errorf("--output %q is neither text nor json", output), "Try: appliance version --help"}
		},
	}
	c.Flags().StringVarP(&output, "output", "o", "text", "text or json")
	return c
}
