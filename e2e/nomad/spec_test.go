package nomad

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"appliance/e2e/internal/harness"
)

// TestSpec holds, for each shape of the job, that Nomad's own commands find its
// HCL valid and formatted, and read from it the very job that the API is sent.
func TestSpec(t *testing.T) {
	a := startAgent(t, agentOptions{})
	nomad := harness.Peer(t, "nomad")
	for name, args := range map[string][]string{
		"embedded":          {},
		"task":              {"--tempo", "task"},
		"raw_exec":          {"--driver", "raw_exec", "--data", "/srv/traces"},
		"raw_exec and task": {"--driver", "raw_exec", "--data", "/srv/traces", "--tempo", "task"},
		"directory":         {"--data", "/srv/traces", "--network", "host", "--write-port", "dynamic", "--read-port", "dynamic"},
		"ephemeral":         {"--data", "ephemeral", "--tempo", "task"},
		"replicas":          {"--count", "3", "--tempo", "elsewhere", "--set", "forwarder.tempo_url=nomad://tempo-otlp", "--set", "archive.source=s3://tempo", "--set", "archive.store=s3://traces/archive?endpoint=s3.local:9000", "--read-port", "dynamic"},
		"tls":               {"--set", "http.tls.cert_file=/data/cert.pem", "--set", "http.tls.key_file=/data/key.pem", "--set", "receiver.tls.cert_file=/data/cert.pem", "--set", "receiver.tls.key_file=/data/key.pem"},
		"everything": {"--job", "traces", "--node-pool", "default", "--datacenters", "a", "--datacenters", "b", "--constraint", "node.class = storage", "--constraint", "distinct_hosts",
			"--priority", "70", "--env", `QUOTED=say "hi" \ ${NOMAD_JOB_NAME} $HOME`, "--traefik-tls", "--traefik-tag", "traefik.http.routers.tempo-read.middlewares=auth@file", "--memory-max", "0"},
	} {
		t.Run(name, func(t *testing.T) {
			text := a.appliance(t, append([]string{"spec"}, args...)...).mustExit(t, 0)
			file := filepath.Join(t.TempDir(), "job.nomad.hcl")
			if err := os.WriteFile(file, []byte(text.stdout), 0o644); err != nil {
				t.Fatal(err)
			}
			a.run(t, nomad, "job", "validate", file).mustExit(t, 0).mustSay(t, "Job validation successful")
			a.run(t, nomad, "fmt", "-check", file).mustExit(t, 0)
			read := a.run(t, nomad, "job", "run", "-output", file).mustExit(t, 0)
			sent := a.appliance(t, append([]string{"spec", "-o", "json"}, args...)...).mustExit(t, 0)
			if got, want := withoutDefaults(t, read.stdout), withoutDefaults(t, sent.stdout); !reflect.DeepEqual(got, want) {
				t.Errorf("Nomad reads from the HCL:\n%s\nthe API is sent:\n%s", pretty(got), pretty(want))
			}
		})
	}
}

// withoutDefaults leaves out what is not set, and what Nomad's parser fills in for a template.
func withoutDefaults(t *testing.T, text string) any {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	return reduced(v)
}

func reduced(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for key, value := range v {
			if key == "Perms" || key == "Splay" {
				continue
			}
			if r := reduced(value); r != nil {
				out[key] = r
			}
		}
		if len(out) > 0 {
			return out
		}
	case []any:
		var out []any
		for _, value := range v {
			out = append(out, reduced(value))
		}
		if len(out) > 0 {
			return out
		}
	case string:
		if v != "" {
			return v
		}
	case bool:
		if v {
			return v
		}
	case float64:
		if v != 0 {
			return v
		}
	}
	return nil
}

func pretty(v any) string {
	text, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		return err.Error()
	}
	return string(text)
}
