package browser

import (
	"encoding/json"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"appliance/e2e/internal/harness"
)

// patience is how long a command of the browser may take, on a busy machine.
const patience = 2 * time.Minute

// chromium is a browser with one page.
type chromium struct {
	t      testing.TB
	in     *json.Encoder
	out    chan reply
	expect []string // what the browser may complain of
}

// reply is what a command of e2e/node/browse.mjs answers.
type reply struct {
	Error      string   `json:"error"`
	Troubles   []string `json:"troubles"`
	Foreign    []string `json:"foreign"`
	Status     int      `json:"status"`
	Bytes      int      `json:"bytes"`
	Parts      int      `json:"parts"`      // bytes of what the page loads
	FirstByte  float64  `json:"first_byte"` // milliseconds since the navigation
	Loaded     float64  `json:"loaded"`
	URL        string   `json:"url"`
	Text       string   `json:"text"`
	Value      any      `json:"value"`
	Violations []string `json:"violations"`
}

type args map[string]any

// start starts a browser for the pages at a base URL.
func start(t testing.TB, base string) *chromium {
	t.Helper()
	bin, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatalf("%v; .ci/browser-test installs it", err)
	}
	cmd := exec.Command("node", "browse.mjs", bin, base)
	cmd.Dir, cmd.Stderr = harness.NodeDir(t), os.Stderr
	stdin, err := cmd.StdinPipe()
	must(t, err)
	stdout, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	c := &chromium{t: t, in: json.NewEncoder(stdin), out: make(chan reply)}
	go func() {
		defer close(c.out)
		for dec := json.NewDecoder(stdout); ; {
			var r reply
			if dec.Decode(&r) != nil {
				return
			}
			c.out <- r
		}
	}()
	t.Cleanup(func() {
		_ = stdin.Close() // it ends then
		over := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
		defer over.Stop()
		for range c.out { // nobody reads any more
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("the browser ended: %v", err)
		}
	})
	c.open(nil)
	return c
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// do runs a command. That the browser complains, or asks for something from
// elsewhere, fails the test.
func (c *chromium) do(command string, a args) reply {
	c.t.Helper()
	line := args{"command": command}
	for k, v := range a {
		line[k] = v
	}
	must(c.t, c.in.Encode(line))
	select {
	case r, ok := <-c.out:
		if !ok || r.Error != "" {
			c.t.Fatalf("%s %v: the browser answers: %s", command, a, r.Error)
		}
		for _, trouble := range r.Troubles {
			if !slices.ContainsFunc(c.expect, func(s string) bool { return strings.Contains(trouble, s) }) {
				c.t.Errorf("%s %v: the browser complains: %s", command, a, trouble)
			}
		}
		for _, url := range r.Foreign {
			c.t.Errorf("%s %v: the page asks for %s", command, a, url)
		}
		return r
	case <-time.After(patience):
		c.t.Fatalf("%s %v: no answer after %s", command, a, patience)
	}
	return reply{}
}

// open begins with a new page.
func (c *chromium) open(a args) { c.t.Helper(); c.do("open", a) }

// follow clicks what leads to another page, and waits until that is there.
func (c *chromium) follow(selector string) { c.t.Helper(); c.do("follow", args{"selector": selector}) }

func (c *chromium) click(selector string) { c.t.Helper(); c.do("click", args{"selector": selector}) }
func (c *chromium) wait(selector string)  { c.t.Helper(); c.do("wait", args{"selector": selector}) }
func (c *chromium) fill(selector, text string) {
	c.t.Helper()
	c.do("fill", args{"selector": selector, "text": text})
}

// visit goes to a page, which must be answered with 200.
func (c *chromium) visit(path string) reply {
	c.t.Helper()
	r := c.do("goto", args{"path": path})
	if r.Status != 200 {
		c.t.Fatalf("%s: status %d", path, r.Status)
	}
	return r
}

// refused goes to a page that must be answered with another status, of which
// the browser tells on its console.
func (c *chromium) refused(path string, status int) {
	c.t.Helper()
	expected := c.expect
	defer func() { c.expect = expected }()
	c.expect = append(slices.Clone(expected), "Failed to load resource")
	if r := c.do("goto", args{"path": path}); r.Status != status {
		c.t.Errorf("%s: status %d, want %d", path, r.Status, status)
	}
}

// text is what the page shows.
func (c *chromium) text() string {
	c.t.Helper()
	return c.do("where", nil).Text
}

// sees fails if the page does not show something.
func (c *chromium) sees(want ...string) {
	c.t.Helper()
	r := c.do("where", nil)
	for _, s := range want {
		if !strings.Contains(r.Text, s) {
			c.t.Errorf("%s does not show %q:\n%.3000s", r.URL, s, r.Text)
		}
	}
}

// eval is the value of an expression in the page.
func (c *chromium) eval(script string) any {
	c.t.Helper()
	return c.do("evaluate", args{"script": script}).Value
}

// fits fails if the page is wider than its window, where that is narrow.
func (c *chromium) fits(page string) {
	c.t.Helper()
	c.do("look", args{"width": 400, "height": 800})
	if wide := c.eval(`document.documentElement.scrollWidth - window.innerWidth`).(float64); wide > 0 {
		c.t.Errorf("%s is %v px too wide", page, wide)
	}
	c.do("look", nil)
}

// accessible fails if axe-core finds anything, narrow or wide, light or dark,
// or if the page is wider than its window.
func (c *chromium) accessible(page string) {
	c.t.Helper()
	looks := []args{
		{"width": 1280, "height": 900}, {"width": 1280, "height": 900, "dark": true},
		{"width": 400, "height": 800}, {"width": 400, "height": 800, "dark": true},
	}
	for _, v := range c.do("axe", args{"looks": looks}).Violations {
		c.t.Errorf("%s: axe-core: %s", page, v)
	}
}
