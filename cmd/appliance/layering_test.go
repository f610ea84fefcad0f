package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"strings"
	"testing"
)

// TestLayering holds the rules of docs/DESIGN.md on who may import whom.
func TestLayering(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Imports,Deps", "appliance/...").Output()
	if err != nil {
		t.Fatal(err)
	}
	peers := []string{"archive", "forwarder", "nomad", "receiver", "sampler"}
	peerOf := func(path string) string { // the peer that a package is, or is part of
		for _, p := range peers {
			if path == "appliance/"+p || strings.HasPrefix(path, "appliance/"+p+"/") {
				return p
			}
		}
		return ""
	}
	checked := 0
	for dec := json.NewDecoder(bytes.NewReader(out)); ; checked++ {
		var p struct {
			ImportPath    string
			Imports, Deps []string
		}
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		internal := strings.HasPrefix(p.ImportPath, "appliance/internal/")
		for _, imported := range p.Imports {
			if to := peerOf(imported); to != "" && to != peerOf(p.ImportPath) && (internal || peerOf(p.ImportPath) != "") {
				t.Errorf("%s imports %s; tie them in cmd/appliance/serve instead", p.ImportPath, imported)
			}
			if strings.HasPrefix(imported, "appliance/cmd/") && !strings.HasPrefix(p.ImportPath, "appliance/cmd/") {
				t.Errorf("%s imports %s", p.ImportPath, imported)
			}
		}
		for _, dep := range p.Deps {
			if strings.HasPrefix(dep, tempoModule) && !isMessages(dep) {
				t.Errorf("%s links %s; of Tempo only its messages may be", p.ImportPath, dep)
				break
			}
		}
	}
	if checked < 10 {
		t.Errorf("only %d packages were checked", checked)
	}
}

const tempoModule = "github.com/grafana/tempo/"

// isMessages says whether a package of Tempo is tempopb, or what that imports:
// its messages, which are small.
func isMessages(path string) bool {
	rest := strings.TrimPrefix(path, tempoModule)
	return rest == "pkg/tempopb" || strings.HasPrefix(rest, "pkg/tempopb/") || rest == "pkg/pool"
}
