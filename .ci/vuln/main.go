// Command vuln says which known vulnerabilities are in what a binary links. It
// needs no network: the database is the module golang.org/x/vulndb, laid out as
// govulncheck wants it.
//
//	go run . BINARY    from .ci/vuln; BINARY has its symbols
//
// It fails on any finding that is neither in Go's own library, which whoever
// builds chooses, nor allowed here with a reason.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// allowed are findings that are none, by id.
var allowed = map[string]string{
	"GO-2026-5359": "of the server of github.com/grafana/tempo; it names no package, and only the messages of its API are linked",
	"GO-2026-5528": "the same",
	"GO-2026-6325": "the same",
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "vuln:", err)
		os.Exit(1)
	}
}

func run() error {
	if len(os.Args) != 2 {
		return errors.New("usage: go run . BINARY")
	}
	db, err := layOut()
	if err != nil {
		return fmt.Errorf("lay out the database: %w", err)
	}
	cmd := exec.Command("go", "tool", "govulncheck", "-db", "file://"+db, "-mode", "binary", "-format", "json", os.Args[1])
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("run govulncheck: %w", err)
	}
	found, err := findings(out)
	if err != nil {
		return fmt.Errorf("read what govulncheck found: %w", err)
	}
	bad := 0
	for _, id := range slices.Sorted(maps.Keys(found)) {
		f := found[id]
		why, ok := allowed[id]
		switch {
		case ok:
			fmt.Printf("%s  allowed: %s\n", f, why)
		case f.module == "stdlib":
			fmt.Printf("%s  build with a newer Go\n", f)
		default:
			bad++
			fmt.Printf("%s  VULNERABLE\n", f)
		}
	}
	for id := range allowed {
		if _, ok := found[id]; !ok {
			fmt.Printf("%s is allowed and was not found\n", id)
		}
	}
	if bad > 0 {
		return fmt.Errorf("%d known vulnerabilities are linked", bad)
	}
	fmt.Printf("vuln: none but those above, of %s\n", time.Now().Format(time.DateOnly))
	return nil
}

// layOut makes a database of the reports in the module golang.org/x/vulndb.
func layOut() (dir string, err error) {
	module, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}} {{.Version}}", "golang.org/x/vulndb").Output()
	if err != nil {
		return "", err
	}
	src, version, _ := strings.Cut(strings.TrimSpace(string(module)), " ")
	dir, err = filepath.Abs(filepath.Join("..", "..", ".cache", "vulndb", version))
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(filepath.Join(dir, "index", "db.json")); err == nil {
		return dir, nil
	}
	reports, err := filepath.Glob(filepath.Join(src, "data", "osv", "*.json"))
	if err != nil || len(reports) == 0 {
		return "", fmt.Errorf("find reports in %s: %d there, %v", src, len(reports), err)
	}
	for _, sub := range []string{"ID", "index"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
			return "", err
		}
	}
	type vuln struct {
		ID       string `json:"id"`
		Modified string `json:"modified"`
	}
	type affected struct {
		Path  string `json:"path"`
		Vulns []vuln `json:"vulns"`
	}
	modules := map[string]*affected{}
	for _, name := range reports {
		text, err := os.ReadFile(name)
		if err != nil {
			return "", err
		}
		// The database that is served has the time of the change; here it is zero,
		// which govulncheck refuses.
		text = bytes.ReplaceAll(text, []byte("0001-01-01T00:00:00Z"), []byte("2026-01-01T00:00:00Z"))
		var r struct {
			vuln
			Affected []struct {
				Package struct{ Name string }
			}
		}
		if err := json.Unmarshal(text, &r); err != nil {
			return "", fmt.Errorf("%s: %w", name, err)
		}
		for _, a := range r.Affected {
			m := modules[a.Package.Name]
			if m == nil {
				m = &affected{Path: a.Package.Name}
				modules[a.Package.Name] = m
			}
			if len(m.Vulns) == 0 || m.Vulns[len(m.Vulns)-1].ID != r.ID {
				m.Vulns = append(m.Vulns, r.vuln)
			}
		}
		if err := os.WriteFile(filepath.Join(dir, "ID", filepath.Base(name)), text, 0o644); err != nil {
			return "", err
		}
	}
	list := make([]*affected, 0, len(modules))
	for _, path := range slices.Sorted(maps.Keys(modules)) {
		list = append(list, modules[path])
	}
	for name, content := range map[string]any{
		"modules.json": list,
		// last: the database is whole
		"db.json": map[string]string{"modified": "2026-01-01T00:00:00Z"},
	} {
		text, err := json.Marshal(content)
		if err != nil {
			return "", err
		}
		if err := os.WriteFile(filepath.Join(dir, "index", name), text, 0o644); err != nil {
			return "", err
		}
	}
	return dir, nil
}

// finding is one vulnerability, where govulncheck is surest.
type finding struct {
	id, module, version, fixed, pkg string
}

func (f finding) String() string {
	text := fmt.Sprintf("%s  %s@%s", f.id, f.module, f.version)
	if f.pkg != "" {
		text += " " + f.pkg
	}
	if f.fixed != "" {
		text += ", fixed in " + f.fixed
	}
	return text
}

// findings reads the stream of messages. Of a vulnerability whose packages are
// known, only one in a package that is linked counts.
func findings(stream []byte) (map[string]finding, error) {
	found, named := map[string]finding{}, map[string]bool{}
	for dec := json.NewDecoder(bytes.NewReader(stream)); ; {
		var m struct {
			OSV *struct {
				ID       string
				Affected []struct {
					Ecosystem struct {
						Imports []struct{ Path string }
					} `json:"ecosystem_specific"`
				}
			}
			Finding *struct {
				OSV          string
				FixedVersion string `json:"fixed_version"`
				Trace        []struct{ Module, Version, Package string }
			}
		}
		if err := dec.Decode(&m); errors.Is(err, io.EOF) {
			return found, nil
		} else if err != nil {
			return nil, err
		}
		if m.OSV != nil {
			for _, a := range m.OSV.Affected {
				named[m.OSV.ID] = named[m.OSV.ID] || len(a.Ecosystem.Imports) > 0
			}
		}
		f := m.Finding
		if f == nil || len(f.Trace) == 0 || f.Trace[0].Package == "" && named[f.OSV] {
			continue
		}
		at := f.Trace[0]
		found[f.OSV] = finding{f.OSV, at.Module, at.Version, f.FixedVersion, at.Package}
	}
}
