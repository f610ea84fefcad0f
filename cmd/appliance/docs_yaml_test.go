package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"appliance/internal/config"
)

// TestDocumentedConfigurations holds that each configuration of the appliance
// in a document is one that serve would take. Files that it names need not be on
// this machine.
func TestDocumentedConfigurations(t *testing.T) {
	sections := map[string]bool{}
	for _, k := range config.Keys() {
		section, _, _ := strings.Cut(k.Path, ".")
		sections[section] = true
	}
	t.Setenv("APPLIANCE_CONFIG", "")
	checked := 0
	for name, text := range markdownFiles(t) {
		_, fences := splitMarkdown(text)
		for _, f := range fences {
			if f.language != "yaml" || len(f.lines) == 0 {
				continue
			}
			if section, _, _ := strings.Cut(f.lines[0], ":"); !sections[section] {
				continue // of Traefik, Grafana, Tempo or Compose
			}
			checked++
			path := filepath.Join(t.TempDir(), "appliance.yaml")
			if err := os.WriteFile(path, []byte(strings.Join(f.lines, "\n")), 0o600); err != nil {
				t.Fatal(err)
			}
			var stdout, stderr bytes.Buffer
			if run(t.Context(), []string{"config", "validate", path}, &stdout, &stderr) == exitFine {
				continue
			}
			for _, line := range strings.Split(strings.TrimSpace(stderr.String()), "\n") {
				if line != "" && !strings.Contains(line, "no such file or directory") {
					t.Errorf("%s:%d: %s", name, f.line, line)
				}
			}
		}
	}
	if checked < 5 {
		t.Errorf("only %d configurations were found", checked)
	}
}
