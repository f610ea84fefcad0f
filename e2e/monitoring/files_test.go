package monitoring

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"appliance/e2e/internal/harness"
)

const deploy = "../../deploy/"

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// run runs a program and returns what it prints.
func run(t *testing.T, dir, program string, args ...string) string {
	t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", program, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// TestRules has promtool check the rules and the scrape configuration, and let
// each alert fire for its cause, and none without.
func TestRules(t *testing.T) {
	run(t, deploy+"prometheus", "promtool", "check", "rules", "rules.yml")
	run(t, deploy+"prometheus", "promtool", "check", "config", "prometheus.yml")
	run(t, deploy+"prometheus", "promtool", "test", "rules", "rules_test.yml")
}

var (
	alertLine = regexp.MustCompile(`(?m)^ +- alert: (\w+)$`)
	ruleExpr  = regexp.MustCompile(`(?m)^ +expr: (.+)$`)
	runbook   = regexp.MustCompile(`(?m)^ +runbook: docs/operations\.md#(\w+)$`)
	ownMetric = regexp.MustCompile(`\b(?:appliance|traces|process)_[a-z0-9_]+\b`)
	variable  = regexp.MustCompile(`"\$\w+"`)
)

func alerts(t *testing.T) (names []string) {
	t.Helper()
	for _, m := range alertLine.FindAllStringSubmatch(read(t, deploy+"prometheus/rules.yml"), -1) {
		names = append(names, m[1])
	}
	return names
}

// TestRunbooks finds a section in docs/operations.md for each alert, and a test.
func TestRunbooks(t *testing.T) {
	names := alerts(t)
	books := runbook.FindAllStringSubmatch(read(t, deploy+"prometheus/rules.yml"), -1)
	page, tests := read(t, "../../docs/operations.md"), read(t, deploy+"prometheus/rules_test.yml")
	if len(names) < 10 || len(books) != len(names) {
		t.Fatalf("%d alerts have %d runbooks", len(names), len(books))
	}
	for i, name := range names {
		if books[i][1] != strings.ToLower(name) || !strings.Contains(page, "\n### "+name+"\n") {
			t.Errorf("docs/operations.md has no section for %s", name)
		}
		if !strings.Contains(tests, `"`+name+`"`) {
			t.Errorf("no test lets %s fire", name)
		}
	}
}

// expressions are all of the dashboard, the rules and the data sources.
func expressions(t *testing.T) (out []string) {
	t.Helper()
	var dashboard struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
		Templating struct{ List []struct{ Definition string } }
	}
	if err := json.Unmarshal([]byte(read(t, deploy+"grafana/dashboards/appliance.json")), &dashboard); err != nil {
		t.Fatal(err)
	}
	for _, p := range dashboard.Panels {
		for _, target := range p.Targets {
			out = append(out, target.Expr)
		}
	}
	for _, m := range ruleExpr.FindAllStringSubmatch(read(t, deploy+"prometheus/rules.yml"), -1) {
		out = append(out, m[1])
	}
	for _, m := range regexp.MustCompile(`(?m)^ +query: (.+)$`).FindAllStringSubmatch(read(t, deploy+"grafana/provisioning/datasources/appliance.yaml"), -1) {
		out = append(out, strings.ReplaceAll(m[1], "$$__tags", `service="shop"`))
	}
	if len(out) < 40 {
		t.Fatalf("only %d expressions are found", len(out))
	}
	return out
}

// TestExpressions has promtool parse what Grafana asks.
func TestExpressions(t *testing.T) {
	var rules strings.Builder
	rules.WriteString("groups:\n- name: dashboard\n  rules:\n")
	for i, e := range expressions(t) {
		e = strings.NewReplacer("$__rate_interval", "5m", "$__range", "1h").Replace(variable.ReplaceAllString(e, `".*"`))
		fmt.Fprintf(&rules, "  - record: r%d\n    expr: |\n      %s\n", i, e)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "rules.yml"), []byte(rules.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, dir, "promtool", "check", "rules", "rules.yml")
}

// TestCompose reads the Compose file as Compose does, and finds what it mounts.
func TestCompose(t *testing.T) {
	project := run(t, deploy+"compose", harness.Peer(t, "compose"), "compose.yaml")
	mounts := regexp.MustCompile(`(?m)^ +source: (/.+)$`).FindAllStringSubmatch(project, -1)
	if len(mounts) != 5 {
		t.Errorf("%d files are mounted:\n%s", len(mounts), project)
	}
	for _, m := range mounts {
		if _, err := os.Stat(m[1]); err != nil {
			t.Error(err)
		}
	}
	for _, service := range []string{"appliance", "traefik", "prometheus", "grafana"} {
		if !strings.Contains(project, "\n  "+service+":\n") {
			t.Errorf("%s is not there", service)
		}
	}
	// What is provisioned is where Grafana is told to look.
	var provisioned []string
	err := filepath.WalkDir(deploy+"grafana", func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			provisioned = append(provisioned, strings.TrimPrefix(filepath.ToSlash(path), deploy+"grafana/"))
		}
		return err
	})
	want := []string{"dashboards/appliance.json", "provisioning/dashboards/appliance.yaml", "provisioning/datasources/appliance.yaml"}
	slices.Sort(provisioned)
	if err != nil || !slices.Equal(provisioned, want) {
		t.Errorf("provisioned are %v: %v", provisioned, err)
	}
}
