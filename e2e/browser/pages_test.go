package browser

import (
	"slices"
	"strings"
	"testing"
	"time"

	trace "go.opentelemetry.io/proto/otlp/trace/v1"

	"appliance/e2e/internal/harness"
)

// TestPages does with the pages what a person does: search, open, expand,
// compare, look at services and at the status. All of them are looked at narrow
// and wide, in light and in dark.
func TestPages(t *testing.T) {
	a := harness.Start(t, harness.Options{})
	sendShop(t, a, 12)
	c := start(t, "http://"+a.Read)
	for _, part := range []struct {
		name string
		test func(*testing.T, *chromium, *harness.Appliance)
	}{
		{"screenshots", screenshots}, {"without JavaScript", withoutJavaScript}, {"search", search},
		{"trace", openTrace}, {"compare", compare}, {"services", services}, {"status", status},
		{"hostile names", hostileNames}, {"10,000 spans", tenThousandSpans},
	} {
		t.Run(part.name, func(t *testing.T) {
			c.t = t
			part.test(t, c, a)
		})
	}
}

// withoutJavaScript does it with plain forms and links.
func withoutJavaScript(_ *testing.T, c *chromium, _ *harness.Appliance) {
	c.open(args{"scripts": false})
	defer c.open(nil)
	c.visit("/")
	c.fill("input[name=service]", "payments")
	c.follow("form.search button")
	c.sees("12 traces, the newest first")
	c.follow(".found a")
	c.click("#span-1 summary")
	c.sees("shop/tracing 1.4")
	c.follow("#span-1 .panel a")
	c.sees("One span, with all that it has")
	c.visit("/services")
	c.sees("POST /charge")
	c.visit("/status")
	c.sees("Spans are taken.")
}

func search(t *testing.T, c *chromium, _ *harness.Appliance) {
	c.visit("/")
	c.sees("12 traces, the newest first", "web: GET /checkout", "spans that match over time")
	c.accessible("/")
	c.fill("input[name=service]", "payments")
	c.do("select", args{"selector": "select[name=status]", "value": "error"})
	c.follow("form.search button")
	c.sees("3 traces, the newest first", `resource.service.name = "payments" && status = error`)
	if url := c.do("where", nil).URL; url != "/?service=payments&status=error&range=1h&limit=20" {
		t.Errorf("the address of the search is %s", url)
	}
	c.accessible("what was found")
	// An attribute, whose values are completed.
	c.visit("/?range=1h")
	c.fill("input[data-key]", "span.payment.provider")
	c.click("input[data-value]")
	c.do("wait", args{"selector": `#values option[value="acme"]`})
	c.fill("input[data-value]", "acme")
	c.do("enter", nil)
	c.sees("12 traces, the newest first")
	c.refused("/?q=%7B%20nonsense", 400)
	c.sees("is not TraceQL")
	c.accessible("a search that is wrong")
}

func openTrace(t *testing.T, c *chromium, _ *harness.Appliance) {
	c.visit("/?status=error&service=payments")
	c.follow(".found a")
	c.sees("web: GET /checkout", "card declined", "What it waited for", "POST /charge")
	c.click("#span-1 summary")
	if open := c.eval(`document.querySelectorAll('.waterfall details[open]').length`); open != 1.0 {
		t.Errorf("%v spans are open, want 1", open)
	}
	c.click("[data-tools] button:nth-of-type(1)") // open all
	c.sees("payment.provider", "acme", "exception.type")
	c.accessible("/trace with all spans open")
	c.click("[data-tools] button:nth-of-type(3)") // only failed
	if n := c.eval(`document.querySelectorAll('.waterfall > li:not([hidden])').length`); n != 2.0 {
		t.Errorf("%v spans are shown of 2 that failed", n)
	}
	// By keyboard alone: the first thing is the way to the content, and Enter opens a span.
	c.visit("/trace/" + checkoutID(1))
	c.do("press", args{"key": "Tab"})
	if text := c.eval(`document.activeElement.textContent`); text != "Skip to the content" {
		t.Errorf("the first key leads to %v", text)
	}
	c.eval(`document.querySelector('#span-1 summary').focus()`)
	c.do("press", args{"key": "Enter"})
	if open := c.eval(`document.querySelector('#span-1 details').open`); open != true {
		t.Error("Enter does not open a span")
	}
	c.refused("/trace/ffffffffffffffffffffffffffffffff", 404)
	c.sees("is not here", "What may be the reason")
	c.accessible("a trace that is not there")
}

func compare(_ *testing.T, c *chromium, _ *harness.Appliance) {
	c.visit("/?service=payments")
	c.click("tbody tr:nth-child(1) input[type=checkbox]")
	c.click("tbody tr:nth-child(3) input[type=checkbox]")
	c.follow("form:not(.search) button")
	c.sees("Two traces", "The other way round", "payments: POST /charge")
	c.accessible("two traces")
}

func services(_ *testing.T, c *chromium, _ *harness.Appliance) {
	c.visit("/services")
	c.sees("payments", "POST /charge", "Calls between services", "Who calls whom")
	c.accessible("/services")
	c.follow(`a[aria-label="payments"]`)
	c.sees("Services: payments", "POST /charge")
	c.accessible("one service")
}

func status(t *testing.T, c *chromium, a *harness.Appliance) {
	c.visit("/status")
	c.sees("Spans are taken.", "The way of a span", "The last day", "84")
	// It goes on without being loaded again, until somebody stops it.
	send(t, a, map[string][]*trace.Span{"web": {span(checkoutID(99), 1, 0, "late", server, time.Now(), 0, ms)}})
	c.wait(`svg.flow[aria-label*="85"]`)
	c.click("[data-refresh] button")
	c.accessible("/status")
}

func hostileNames(t *testing.T, c *chromium, a *harness.Appliance) {
	sendHostile(t, a)
	page := "/trace/" + hostileID
	for _, path := range []string{
		"/?limit=50", page, page + "?span=span-1", page + "?with=" + checkoutID(1), "/services",
	} {
		c.visit(path)
		c.sees(script, `"><svg onload=alert(1)>`)
		const made = `script:not([src]), img, [onload], [onerror], a[href^="javascript"]`
		if n := c.eval("document.querySelectorAll('" + made + "').length"); n != 0.0 {
			t.Errorf("%s: %v elements were made of names", path, n)
		}
		if text := c.eval(`document.body.textContent`).(string); strings.ContainsRune(text, '\u202e') {
			t.Errorf("%s: a mark of direction is not written out", path)
		}
		c.fits(path)
	}
	c.visit(page)
	c.click("[data-tools] button:nth-of-type(1)") // open all
	c.sees("of 100,0", "שלום עולם")
	c.accessible("hostile names")
	c.visit(page + "?span=span-1")
	c.sees(strings.Repeat("x", 100_000))
}

// tenThousandSpans states how long a large trace takes to open, and how much it
// weighs. Only the weight has a bound here: a time would depend on the machine.
func tenThousandSpans(t *testing.T, c *chromium, a *harness.Appliance) {
	sendBig(t, a, 10_000)
	var opens []reply
	for range 3 {
		opens = append(opens, c.visit("/trace/"+bigID))
	}
	slices.SortFunc(opens, func(a, b reply) int { return int(a.Loaded - b.Loaded) })
	r := opens[len(opens)/2]
	t.Logf("measured: a trace of 10,000 spans opens in %.0f ms, the first byte comes after %.0f ms "+
		"(median of %d; at most %.0f ms); the page has %d KiB, its style, script and icon %d KiB",
		r.Loaded, r.FirstByte, len(opens), opens[len(opens)-1].Loaded, r.Bytes>>10, r.Parts>>10)
	if r.Bytes == 0 || r.Bytes > 1<<20 {
		t.Errorf("the page has %d bytes", r.Bytes)
	}
	c.sees("10,000", "Spans 1 to 250 of 10,000")
	c.follow("a[rel=next]")
	c.sees("Spans 251 to 500 of 10,000")
}
