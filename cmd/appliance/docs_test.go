package main

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"appliance/cmd/appliance/serve"
	"appliance/internal/config"
)

// TestReferences holds that the generated pages of docs/ say what the code
// does. `make docs` writes them anew.
func TestReferences(t *testing.T) {
	for path, want := range map[string]string{
		"../../docs/configuration.md": configurationPage(),
		"../../docs/metrics.md":       metricsPage(),
	} {
		if os.Getenv("UPDATE_DOCS") != "" {
			if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != want {
			t.Errorf("%s is not what the code says; run: make docs", path)
		}
	}
}

func configurationPage() string {
	var b strings.Builder
	b.WriteString(`# Configuration

Generated from internal/config by ` + "`make docs`" + `.

Four places, the later ones win: the defaults, a YAML file (` + "`--config FILE` or\n`APPLIANCE_CONFIG`" + `), environment variables, flags. Every key is an environment variable; the main
ones are flags. No file is needed.

- The file is strict: an unknown key is an error with its line and column. ` + "`appliance config\n  validate FILE`" + ` checks it without starting anything. It names every mistake, also what serve would
  refuse on this machine, such as a file that is missing there.
- ` + "`${VAR}` and `${VAR:-default}`" + ` in a value of the file are replaced from the environment, after
  parsing; ` + "`$${`" + ` is a plain ` + "`${`" + `. A variable must be set, and may be empty; the default also
  stands for an empty one. An empty ` + "`APPLIANCE_*`" + ` variable, by contrast, counts as not set.
- Sizes: ` + "`16MiB`, `20MB`, or bytes. Durations: `90s`, `24h`, `30d`, `2w`." + `
- In an environment variable a list is ` + "`a,b`, and a map `name=value,other=value`." + ` A comma between
  double quotes does not divide. What begins with ` + "`[`, `{` or `- `" + ` is YAML, as in the file:
  ` + "`[\"a, b\", c]`, `{name: \"a, b\"}`" + `. A list of rules is always YAML.
- Secrets belong into files that the configuration names. Credentials in URLs and the values of
  headers are hidden when printed.
- ` + "`appliance config print`" + ` shows what is in force (also by the variables of
  [sampling.md](sampling.md)), ` + "`--diff`" + ` what differs from the defaults.
- SIGHUP, and a change of the file, take over the keys of ` + "`sampler` and `tail`" + ` while running. If
  the file is not valid, the last good configuration stays. The other keys need a restart, and the
  log names those that differ from what runs.

| key | type | default | environment | flag | |
|---|---|---|---|---|---|
`)
	defaults := config.Default()
	for _, k := range config.Keys() {
		flag := ""
		if k.Flag != "" {
			flag = "`--" + k.Flag + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | `%s` | `%s` | %s | %s |\n", k.Path, k.Type, k.Text(&defaults), k.Env, flag, strings.ReplaceAll(k.Doc, "|", "\\|"))
	}
	return b.String()
}

func metricsPage() string {
	var b strings.Builder
	b.WriteString(`# Metrics

Generated from cmd/appliance/serve/metrics.go by ` + "`make docs`. Served on `http.listen`" + ` at
/metrics, with those of the Go runtime and the process.

Only spans of requests that were answered 200 count; those of any other still belong to the client.
Over all runs, and in each scrape:

- ` + "`appliance_received_spans_total` = `appliance_kept_spans_total` +\n  all `appliance_sampled_out_spans_total` + all `appliance_rejected_spans_total` +\n  all `appliance_ruled_out_spans_total`" + `
- ` + "`appliance_kept_spans_total` = `appliance_pending_spans` + `appliance_forwarder_stuck_spans` +\n  `appliance_proven_spans_total` + all `appliance_discarded_spans_total` +\n  `appliance_damaged_spans_total` + `appliance_unaccounted_spans` +\n  `appliance_acknowledged_loss_spans`" + `

` + "`appliance_forwarder_stuck_spans`" + ` is there with a Tempo elsewhere alone.

A crash takes back nothing that a scrape has shown of what was received, kept and left out, and of
` + "`traces_*`" + `: it is saved before. ` + "`appliance_proven_spans_total`" + ` and
` + "`appliance_discarded_spans_total`" + ` can be lower after kill -9: what left the spool in the last
moments is proven again. Prometheus takes that for a counter that began at 0, so their rates jump
once.

` + "`appliance_receiver_*`" + ` are the same of this process alone. ` + "`appliance_store_*`" + ` are there where
spans are stored in this process, ` + "`appliance_forwarder_*`" + ` with a Tempo elsewhere.

| metric | type | labels | |
|---|---|---|---|
`)
	for _, m := range serve.Metrics() {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", m.Name, m.Kind(), strings.Join(m.Labels, ", "), m.Help)
	}
	return b.String()
}
