package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// exampleImage is of the version that comes next, as in all documents: an
// earlier one knows other keys.
var exampleImage = "registry.example/appliance:" + strings.TrimSuffix(version, "-dev")

// deployments are the files of deploy/nomad and the commands that print them.
var deployments = map[string]string{
	"embedded.nomad.hcl":   "nomad spec --image " + exampleImage,
	"tempo-task.nomad.hcl": "nomad spec --tempo task --image " + exampleImage,
	"raw-exec.nomad.hcl":   "nomad spec --driver raw_exec --command /usr/local/bin/appliance --data /var/lib/appliance",
	"directory.nomad.hcl":  "nomad spec --data /srv/appliance --image " + exampleImage,
	"replicas.nomad.hcl":   "nomad spec --job traces --count 2 --tempo elsewhere --set forwarder.tempo_url=nomad://tempo-otlp --set tempo.query_url=nomad://tempo --set archive.source=s3://tempo/traces?endpoint=s3.service.local:9000 --set archive.store=s3://traces/archive?endpoint=s3.service.local:9000 --image " + exampleImage,
	"task.policy.hcl":      "nomad policy --for task",
	"operator.policy.hcl":  "nomad policy --for operator",
}

// TestDeployments holds that deploy/nomad is what the commands print. UPDATE_DOCS=1 writes it anew.
func TestDeployments(t *testing.T) {
	const dir = "../../deploy/nomad"
	for _, name := range []string{"NOMAD_NAMESPACE", "NOMAD_REGION", "APPLIANCE_NOMAD_NAMESPACE", "APPLIANCE_CONFIG"} {
		t.Setenv(name, "")
	}
	for name, command := range deployments {
		var stdout, stderr bytes.Buffer
		if code := run(t.Context(), strings.Fields(command), &stdout, &stderr); code != exitFine {
			t.Fatalf("%s: exit code %d: %s", command, code, stderr.String())
		}
		want := "# Made by: appliance " + command + "\n" + stdout.String()
		path := filepath.Join(dir, name)
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
			t.Errorf("%s is not what the command prints; run: make docs", path)
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if _, ok := deployments[e.Name()]; !ok {
			t.Errorf("%s has no command that makes it", e.Name())
		}
	}
}
