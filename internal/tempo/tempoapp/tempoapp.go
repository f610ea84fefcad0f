// Package tempoapp is Grafana Tempo's own application, as the child process runs it. It links Tempo's code, which
// registers metrics globally, replaces the gRPC codec and calls os.Exit: never run it in the parent's process.
package tempoapp

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"
	"time"

	"github.com/go-kit/log/level"
	"github.com/grafana/tempo/cmd/tempo/app"
	"github.com/grafana/tempo/pkg/gogocodec"
	"github.com/grafana/tempo/pkg/util/log"
	"github.com/prometheus/common/version"
	"google.golang.org/grpc/encoding"
	"gopkg.in/yaml.v2"
)

const (
	module = "github.com/grafana/tempo"
	// Release is the Tempo version that the linked commit was heading for; its module version, a pseudo-version after
	// v1.5.0, would make Grafana think it old.
	Release = "2.8.0-dev"
)

// Version returns Tempo's release and the commit that is linked.
func Version() (release, commit string) {
	release = Release
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return release, ""
	}
	for _, dep := range info.Deps {
		if dep.Path == module {
			return release, dep.Version[strings.LastIndexByte(dep.Version, '-')+1:]
		}
	}
	return release, ""
}

// Check says whether Tempo understands a configuration; the error names the line.
func Check(text []byte) error {
	cfg := defaults()
	err := yaml.UnmarshalStrict(text, cfg)
	var types *yaml.TypeError
	if errors.As(err, &types) {
		return errors.New(strings.Join(types.Errors, "; "))
	}
	if err != nil {
		return errors.New(strings.TrimPrefix(err.Error(), "yaml: "))
	}
	return nil
}

// Run is the child: it runs Tempo with the configuration file until SIGTERM, or until lifeline ends, which it does
// when the parent is gone.
func Run(configPath string, lifeline io.Reader) error {
	// Before the lifeline counts: a person who tries this has none, and reads why it does not work.
	text, err := os.ReadFile(configPath)
	if err != nil {
		return fmt.Errorf("read Tempo's configuration: %w", err)
	}
	cfg := defaults()
	if err := yaml.UnmarshalStrict(text, cfg); err != nil {
		return fmt.Errorf("parse Tempo's configuration %s: %w", configPath, err)
	}
	go func() {
		_, _ = io.Copy(io.Discard, lifeline)
		fmt.Fprintln(os.Stderr, "appliance: standard input ended, and with it whoever runs this Tempo; start one with: appliance serve")
		os.Exit(1)
	}()
	if err := os.WriteFile("/proc/self/oom_score_adj", []byte("500"), 0); err != nil && !errors.Is(err, os.ErrNotExist) && !errors.Is(err, os.ErrPermission) {
		return fmt.Errorf("raise oom_score_adj: %w", err)
	}

	go reportHeap(os.Stdout)

	release, commit := Version()
	version.Version, version.Revision, version.Branch = release, commit, "embedded in appliance"
	encoding.RegisterCodec(gogocodec.NewCodec())

	log.InitLogger(&cfg.Server)
	for _, w := range cfg.CheckConfig() {
		level.Warn(log.Logger).Log("msg", strings.TrimSpace(w.Message), "explain", w.Explain)
	}
	t, err := app.New(*cfg)
	if err != nil {
		return fmt.Errorf("set Tempo up: %w", err)
	}
	level.Info(log.Logger).Log("msg", "starting", "version", release, "commit", commit, "at", time.Now().UTC().Format(time.RFC3339))
	if err := t.Run(); err != nil {
		return fmt.Errorf("run Tempo: %w", err)
	}
	return nil
}

func defaults() *app.Config {
	cfg := &app.Config{}
	flags := flag.NewFlagSet("tempo", flag.ContinueOnError)
	flags.SetOutput(&bytes.Buffer{})
	cfg.RegisterFlagsAndApplyDefaults("", flags)
	return cfg
}
