package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// quickstartDeadline is for the slowest step, a span's way into a proven block;
// it is long since a machine may be busy.
const quickstartDeadline = 2 * time.Minute

// TestQuickstart does what docs/quickstart.md says with the real binary, in
// order, and holds that each command prints what the page shows. Numbers, times
// and ids may be others, and "..." stands for any lines.
func TestQuickstart(t *testing.T) {
	page, err := os.ReadFile("../../docs/quickstart.md")
	if err != nil {
		t.Fatal(err)
	}
	run := newQuickstart(t)
	ran := 0
	_, fences := splitMarkdown(string(page))
	for _, f := range fences {
		if f.language != "console" {
			continue
		}
		for _, c := range f.commands() {
			ran++
			run.do(t, c)
		}
	}
	if ran < 7 {
		t.Errorf("only %d commands were run", ran)
	}
}

// quickstart is an empty directory, and an appliance on ports of its own, which
// stand for those of the page.
type quickstart struct {
	dir, otlp, read string
	env             []string
}

func newQuickstart(t *testing.T) *quickstart {
	q := &quickstart{dir: t.TempDir()}
	for _, v := range os.Environ() {
		prefix, _, _ := strings.Cut(v, "_")
		if !slices.Contains([]string{"APPLIANCE", "OTEL", "JAEGER", "NOMAD"}, prefix) {
			q.env = append(q.env, v)
		}
	}
	q.env = append(q.env, "APPLIANCE_RECEIVER_LISTEN=127.0.0.1:0", "APPLIANCE_HTTP_LISTEN=127.0.0.1:0",
		"APPLIANCE_RECEIVER_GRPC_LISTEN=127.0.0.1:0", "APPLIANCE_LOG_FORMAT=text", "APPLIANCE_BLOCKS_MAX_WAIT=1s")
	return q
}

var announced = regexp.MustCompile(`traces in +http://([^/]+)/[\s\S]*traces out +http://(\S+)`)

// learn takes the ports over that serve has announced.
func (q *quickstart) learn(t *testing.T, printed string) {
	t.Helper()
	m := announced.FindStringSubmatch(printed)
	if m == nil {
		t.Fatalf("serve did not say where it listens:\n%s", printed)
	}
	q.otlp, q.read = m[1], m[2]
	q.env = append(q.env, "APPLIANCE_RECEIVER_LISTEN="+m[1], "APPLIANCE_HTTP_LISTEN="+m[2])
}

func (q *quickstart) do(t *testing.T, c documentedCommand) {
	t.Helper()
	words := shellWords(c.text).commands
	args := words[len(words)-1]
	switch {
	case args[0] == "curl":
		q.see(t, c, func() string { return q.post(t, c.text) })
	case args[0] == "appliance" && args[1] == "serve":
		printed := q.serve(t, args[1:])
		q.see(t, c, printed)
		q.learn(t, printed())
	case args[0] == "appliance":
		q.see(t, c, func() string {
			cmd := q.command(t, args[1:])
			out, err := cmd.CombinedOutput()
			if err != nil {
				return fmt.Sprintf("%s\n%v", out, err)
			}
			return string(out)
		})
	default:
		t.Fatalf("%q cannot be run; let the page have commands of the appliance, and curl", c.text)
	}
}

func (q *quickstart) command(t *testing.T, args []string) *exec.Cmd {
	cmd := exec.CommandContext(t.Context(), "appliance", args...)
	cmd.Dir, cmd.Env = q.dir, q.env
	return cmd
}

// serve starts the appliance until the test ends. What it returns reads what it
// has printed so far.
func (q *quickstart) serve(t *testing.T, args []string) func() string {
	path := filepath.Join(q.dir, "serve.out")
	out, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	cmd := exec.Command("appliance", args...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = q.dir, q.env, out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	printed := func() string {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Error(err)
		}
		return string(text)
	}
	t.Cleanup(func() {
		err := cmd.Process.Signal(os.Interrupt)
		if err = errors.Join(err, cmd.Wait()); err != nil {
			t.Errorf("serve: %v\n%s", err, printed())
		}
	})
	return printed
}

var shellDate = regexp.MustCompile(`'\$\(date \+%s\)'`)

// post sends the body that the page gives to curl.
func (q *quickstart) post(t *testing.T, command string) string {
	now := strconv.FormatInt(time.Now().Unix(), 10)
	args := shellWords(shellDate.ReplaceAllString(command, now)).commands[0]
	var url, body string
	header := http.Header{}
	for i := 1; i < len(args); i++ {
		switch args[i] {
		case "-s":
		case "-H":
			i++
			name, value, _ := strings.Cut(args[i], ": ")
			header.Set(name, value)
		case "-d":
			i++
			body = args[i]
		default:
			url = args[i]
		}
	}
	url = "http://" + strings.Replace(url, "localhost:4318", q.otlp, 1)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header = header
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err.Error()
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(answer)
}

// see runs a command until it prints what the page shows.
func (q *quickstart) see(t *testing.T, c documentedCommand, run func() string) {
	t.Helper()
	want := c.output
	deadline := time.Now().Add(quickstartDeadline)
	for {
		got := run()
		why := differs(want, strings.Split(strings.TrimRight(got, "\n"), "\n"))
		if why == "" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s\nthe page shows: %s\nit prints:\n%s", c.text, why, got)
		}
		select {
		case <-t.Context().Done():
			return
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// differs names the first line of want that got does not have in its place.
func differs(want, got []string) string {
	at, anywhere := 0, false
	for _, line := range want {
		if line == "..." {
			anywhere = true
			continue
		}
		for anywhere && at < len(got) && steadyLine(got[at]) != steadyLine(line) {
			at++
		}
		if at >= len(got) || steadyLine(got[at]) != steadyLine(line) {
			return line
		}
		at++
		anywhere = false
	}
	return ""
}

var unsteady = []*regexp.Regexp{
	regexp.MustCompile(`(file://)?/[^\s]*/data\b`),            // directories
	regexp.MustCompile(`\b[0-9a-f]{32}\b`),                    // trace ids
	regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:[\d.]+Z`),   // times
	regexp.MustCompile(`(localhost|127\.0\.0\.1):\d+`),        // addresses
	regexp.MustCompile(`\bversion \S+|^appliance +\d[^\s,]+`), // versions
	regexp.MustCompile(`\b(\d[\d.]*(h|ms|µs|ns|m|s|%)?)+\b`),  // numbers and durations
}

// steadyLine leaves of a line what is the same in each run.
func steadyLine(line string) string {
	for _, r := range unsteady {
		line = r.ReplaceAllString(line, "#")
	}
	return strings.Join(strings.Fields(line), " ")
}

func TestQuickstartSeesDifferences(t *testing.T) {
	want := []string{"a 1", "...", "proven 2s"}
	if why := differs(want, []string{"a 7", "x", "proven 3ms"}); why != "" {
		t.Errorf("%q is there", why)
	}
	for _, got := range [][]string{{"a 7", "x"}, {"b 1", "proven 1s"}, {"x", "a 1", "proven 1s"}} {
		if differs(want, got) == "" {
			t.Errorf("%q is taken for %q", got, want)
		}
	}
}
