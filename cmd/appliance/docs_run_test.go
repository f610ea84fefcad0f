package main

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
)

// onlyParsed are the commands of the documents that TestDocumentedCommandsRun does
// not run, by what they begin with, and why. TestDocumentedCommands parses them.
var onlyParsed = map[string]string{
	"nomad plan":                   "it asks a Nomad; e2e/nomad runs it",
	"nomad register":               "it asks a Nomad; e2e/nomad runs it",
	"nomad status":                 "it asks a Nomad; e2e/nomad runs it",
	"nomad deregister":             "it asks a Nomad; e2e/nomad runs it",
	"serve":                        "it goes on until it is stopped; TestQuickstart runs it",
	"status --watch":               "it goes on until it is interrupted",
	"status --url https://tracing": "it needs a certificate and a token; e2e has both",
	"doctor --url https://tracing": "it needs a certificate and a token; e2e has both",

	"archive repair 2056 --from s3://":       "it needs an S3 server; e2e/archive has one",
	"archive repair 20569527 --from s3://":   "it needs an S3 server; e2e/archive has one",
	"archive run --source file:///var/tempo": "it needs an S3 server; e2e/archive has one",
	"spool stuck drop":                       "nothing is stuck here; spool_stuck.txtar runs it",
}

// onlyNamed are commands whose arguments a sentence leaves out. They are exit code
// 2, and say what is missing.
var onlyNamed = []string{"archive prune", "archive restore"}

// othersAreFine are commands that may end with another exit code than 0, by what
// the machine is like.
var othersAreFine = map[string][]int{
	"doctor":       {1}, // such as a disk that is nearly full
	"status":       {3},
	"archive diff": {3}, // the doctor's trace may wait for the archiver
}

// TestDocumentedCommandsRun runs the commands of the appliance that the documents
// and the examples of the help show, against one that runs and has a trace, in a
// block and in its archive. Each has to take its arguments and to end well.
func TestDocumentedCommandsRun(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	ran, left := 0, map[string]bool{}
	for _, c := range documentedAppliance(t) {
		if reason := firstWords(c.args, onlyParsed); reason != "" {
			left[reason] = true
			continue
		}
		ran++
		s.run(t, c)
	}
	if ran < 60 {
		t.Errorf("only %d commands were run", ran)
	}
	for words := range onlyParsed {
		if !left[words] {
			t.Errorf("no document has %q any more; take it out of onlyParsed", words)
		}
	}
}

// firstWords is the key of m that a command begins with, the longest first.
func firstWords[V any](args []string, m map[string]V) (found string) {
	line := strings.Join(args, " ") + " "
	for words := range m {
		if strings.HasPrefix(line, words) && len(words) > len(found) && (strings.HasPrefix(line, words+" ") || strings.Contains(words, "://")) {
			found = words
		}
	}
	return found
}

// shown is a command of the appliance, and where it is shown.
type shown struct {
	where string
	args  []string
}

// documentedAppliance are the commands of the appliance in all documents and in
// the examples of its help, each once.
func documentedAppliance(t *testing.T) (all []shown) {
	t.Helper()
	seen := map[string]bool{}
	add := func(where, line string) {
		for _, words := range shellWords(line).commands {
			args := complete(argumentsOf(words))
			if key := strings.Join(args, " "); len(args) > 0 && !seen[key] {
				seen[key] = true
				all = append(all, shown{where, args})
			}
		}
	}
	files := markdownFiles(t)
	names := make([]string, 0, len(files))
	for name := range files {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if name == "CHANGELOG.md" { // names what is gone as well
			continue
		}
		prose, fences := splitMarkdown(files[name])
		for _, f := range fences {
			for _, c := range f.commands() {
				add(fmt.Sprintf("%s:%d", name, f.line+c.line), c.text)
			}
		}
		for _, m := range inlineCode.FindAllStringSubmatch(strings.Join(prose, "\n"), -1) {
			if code := strings.Join(strings.Fields(m[1]), " "); strings.HasPrefix(code, "appliance ") {
				add(name, code)
			}
		}
	}
	for _, c := range allCommands(newRootCommand()) {
		for line := range strings.Lines(c.Example) {
			add("the help of "+c.CommandPath(), strings.TrimSpace(line))
		}
	}
	return all
}

// argumentsOf are those of the appliance, where a command is it or runs it.
func argumentsOf(words []string) []string {
	for len(words) > 0 && (words[0] == "sudo" || strings.Contains(words[0], "=")) {
		words = words[1:]
	}
	if i := slices.Index(words, "/appliance"); i > 1 && words[0] == "docker" && words[1] == "exec" {
		words = words[i:]
	}
	if len(words) == 0 || strings.TrimLeft(words[0], "./") != "appliance" {
		return nil
	}
	return words[1:]
}

// allCommands are c and all that is below it.
func allCommands(c *cobra.Command) []*cobra.Command {
	all := []*cobra.Command{c}
	for _, sub := range c.Commands() {
		all = append(all, allCommands(sub)...)
	}
	return all
}

// complete leaves out what stands for something that is not shown.
func complete(args []string) (kept []string) {
	for _, a := range args {
		a = strings.TrimLeft(a, "[")
		if !strings.Contains(a, "[") { // else they are those of a list
			a = strings.TrimRight(a, "]")
		}
		if strings.Trim(a, ".") != "" {
			kept = append(kept, a)
		}
	}
	return kept
}

// site is a directory with all that the documents speak of, and an appliance that
// runs there.
type site struct {
	*quickstart
	block    string // an archived one, as its id begins
	restored int
}

const siteTrace = "4bf92f3577b34da6a3ce929d0e0e4736"

var siteFiles = map[string]string{
	"appliance.yaml": `
receiver: {rules: [preset traefik]}
blocks: {max_wait: 1s, merge_after: 1s}
archive: {delay: 0s}
tail:
  decision_wait: 1s
  rules: [{name: errors, when: '{ status = error }', keep: all}]
`,
	"tempo.yml": `
compactor: {compaction: {block_retention: 24h}}
`,
	"request.json": `{"resourceSpans":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"shop"}}]},
"scopeSpans":[{"spans":[{"traceId":"` + siteTrace + `","spanId":"00f067aa0ba902b7","name":"GET /orders","kind":2,
"startTimeUnixNano":"NOW000000000","endTimeUnixNano":"NOW500000000","status":{"code":2}}]}]}]}`,
}

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{quickstart: newQuickstart(t)}
	s.env = append(s.env, "APPLIANCE_CONFIG="+filepath.Join(s.dir, "appliance.yaml"))
	for name, text := range siteFiles {
		text = strings.ReplaceAll(text, "NOW", fmt.Sprint(time.Now().Add(-time.Second).Unix()))
		if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	printed := s.serve(t, []string{"serve"})
	s.await(t, "where it listens", func() bool { return announced.MatchString(printed()) })
	s.learn(t, printed())
	s.send(t)
	s.await(t, "a verdict", func() bool {
		out, _, _ := s.execute(t, "tail", "explain", siteTrace, "-o", "json")
		return strings.Contains(out, `"rule": "errors"`)
	})
	s.await(t, "an archived block", func() bool {
		_, _, _ = s.execute(t, "archive", "run")
		out, _, _ := s.execute(t, "archive", "list", "--state", "archived", "-o", "json")
		m := regexp.MustCompile(`"block": "([0-9a-f]{8})`).FindStringSubmatch(out)
		if m != nil {
			s.block = m[1]
		}
		return m != nil
	})
	if err := os.CopyFS(filepath.Join(s.dir, "backup"), os.DirFS(filepath.Join(s.dir, "data", "archive"))); err != nil {
		t.Fatal(err)
	}
	return s
}

// send sends the trace.
func (s *site) send(t *testing.T) {
	t.Helper()
	body, err := os.ReadFile(filepath.Join(s.dir, "request.json"))
	if err != nil {
		t.Fatal(err)
	}
	s.await(t, "the trace is taken", func() bool {
		resp, err := http.Post("http://"+s.otlp+"/v1/traces", "application/json", bytes.NewReader(body))
		if err != nil {
			return false
		}
		defer resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
}

func (s *site) await(t *testing.T, what string, is func() bool) {
	t.Helper()
	deadline := time.Now().Add(quickstartDeadline)
	for !is() {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %s", what, quickstartDeadline)
		}
		select {
		case <-t.Context().Done():
			t.Fatal(t.Context().Err())
		case <-time.After(200 * time.Millisecond):
		}
	}
}

func (s *site) execute(t *testing.T, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	cmd := s.command(t, args)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if input, err := os.Open(filepath.Join(s.dir, "request.json")); err == nil {
		defer input.Close()
		cmd.Stdin = input // for those that read "-"
	}
	err := cmd.Run()
	if exit, ok := err.(*exec.ExitError); ok {
		return out.String(), errs.String(), exit.ExitCode()
	} else if err != nil {
		t.Fatal(err)
	}
	return out.String(), errs.String(), 0
}

// run runs a command with the names of here in place of those that are shown.
func (s *site) run(t *testing.T, c shown) {
	t.Helper()
	var args []string
	for _, a := range c.args {
		args = append(args, s.here(c.args, a))
	}
	stdout, stderr, code := s.execute(t, args...)
	fine := []int{0}
	if words := firstWords(c.args, othersAreFine); words != "" {
		fine = append(fine, othersAreFine[words]...)
	}
	if slices.Contains(onlyNamed, strings.Join(c.args, " ")) {
		fine = []int{exitUsage}
	}
	t.Logf("%d appliance %q", code, args)
	if !slices.Contains(fine, code) || stdout+stderr == "" || strings.Contains(stderr, "panic") {
		t.Errorf("%s: appliance %q ends with %d, want one of %d\n%s%s", c.where, args, code, fine, stdout, stderr)
	}
}

var (
	traceInText = regexp.MustCompile(`\b[0-9a-f]{32}\b`)
	blockInText = regexp.MustCompile(`^(2056|20569527|bcac|BLOCK)$`)
)

// here is what stands for a word of the documents.
func (s *site) here(command []string, word string) string {
	file := func(name string) string { return filepath.Join(s.dir, name) }
	switch {
	case word == "TRACE_ID":
		return siteTrace
	case word == "COMMAND":
		return "status"
	case blockInText.MatchString(word):
		return s.block
	case word == "/srv/restored", word == "/tmp/restored":
		s.restored++
		return file(fmt.Sprint("restored", s.restored))
	case word == "/var/lib/appliance":
		return file("data")
	case strings.HasPrefix(word, "http://") && command[0] != "nomad":
		return "http://" + s.read
	case filepath.Base(word) == "tempo.yml", word == "FILE" && command[0] == "config" && command[1] == "from-tempo":
		return file("tempo.yml")
	case word == "request.json", word == "FILE" && command[0] == "receiver":
		return file("request.json")
	case filepath.Ext(word) == ".yaml", word == "FILE":
		return file("appliance.yaml")
	}
	word = strings.Replace(word, "file:///srv/appliance-archive", "file://"+file("backup"), 1)
	return traceInText.ReplaceAllString(word, siteTrace)
}
