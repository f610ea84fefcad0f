package browser

import (
	"fmt"
	"strings"
	"testing"

	"appliance/e2e/internal/harness"
)

// TestPagesMarkWhatIsUndecided looks at traces while tail rules have not decided
// on them, and for one that they left out.
func TestPagesMarkWhatIsUndecided(t *testing.T) {
	t.Parallel()
	const rules = `[{name: failed, when: "{ status = error }", keep: all}, {name: rest, keep: none}]`
	env := map[string]string{"APPLIANCE_TAIL_RULES": rules, "APPLIANCE_TAIL_DECISION_WAIT": "1h"}
	a := harness.Start(t, harness.Options{Env: env})
	sendShop(t, a, 2) // the first of them failed
	c := start(t, "http://"+a.Read)
	const mark = "not decided by tail rules yet"
	harness.Eventually(t, patience, "undecided traces are marked", func() error {
		c.visit("/")
		if n := strings.Count(c.text(), mark); n != 2 {
			return fmt.Errorf("%d of 2 are", n)
		}
		return nil
	})
	c.visit("/trace/" + checkoutID(0))
	c.sees("Tail rules have not decided on it yet")
	c.visit("/trace/" + checkoutID(0) + "?with=" + checkoutID(1))
	c.sees("Tail rules have not decided on it yet")
	c.visit("/status")
	c.sees("of these undecided", "14")

	env["APPLIANCE_TAIL_DECISION_WAIT"] = "1s"
	a.Kill(t)
	a = harness.Start(t, harness.Options{DataDir: a.DataDir, Env: env})
	c.open(args{"base": "http://" + a.Read})
	c.expect = []string{"Failed to load resource"}
	harness.Eventually(t, patience, "the rules have decided", func() error {
		if r := c.do("goto", args{"path": "/trace/" + checkoutID(1)}); r.Status != 404 {
			return fmt.Errorf("the trace that is left out is answered with %d", r.Status)
		}
		return nil
	})
	c.sees(`rule "rest" left it out`, "appliance tail explain "+checkoutID(1))
	c.visit("/trace/" + checkoutID(0))
	if text := c.text(); strings.Contains(text, "Tail rules") || !strings.Contains(text, "card declined") {
		t.Errorf("the trace that is kept shows %.1000s", text)
	}
}
