package pages

import (
	"fmt"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/ptrace"

	"appliance/internal/traceql"
)

func TestQuestion(t *testing.T) {
	for name, c := range map[string]struct{ ask, want string }{
		"nothing":     {"", "{  }"},
		"service":     {"service=shop", `{ resource.service.name = "shop" }`},
		"all":         {"service=shop&name=pay&min=1.5s&max=2m&status=error", `{ resource.service.name = "shop" && name = "pay" && duration >= 1.5s && duration <= 2m0s && status = error }`},
		"short":       {"min=5us", `{ duration >= 5us }`},
		"quotes":      {`service=` + url.QueryEscape(`a" } || { "`), `{ resource.service.name = "a\" } || { \"" }`},
		"attribute":   {"key=span.http.route&value=/x", `{ span.http.route = "/x" }`},
		"no scope":    {"key=http.route&value=/x", `{ .http.route = "/x" }`},
		"a number":    {"key=span.code&value=500", `{ (span.code = "500" || span.code = 500) }`},
		"a truth":     {"key=span.ok&value=true", `{ (span.ok = "true" || span.ok = true) }`},
		"any value":   {"key=span.code", `{ span.code != nil }`},
		"kind":        {"key=kind&value=server", `{ kind = server }`},
		"traceql":     {"q=" + url.QueryEscape("{ status = error }") + "&service=shop", "{ status = error }"},
		"bad min":     {"min=soon", "min duration"},
		"bad status":  {"status=grim", "status"},
		"bad limit":   {"limit=-1", "limit"},
		"value alone": {"value=x", "has no attribute"},
		"bad q":       {"q=%7B", "is not TraceQL"},
		"odd kind":    {"key=kind&value=odd", "cannot have the value"},
		"injection":   {"key=span.a&value=" + url.QueryEscape("1 } || { true"), `{ span.a = "1 } || { true" }`},
	} {
		t.Run(name, func(t *testing.T) {
			values, err := url.ParseQuery(c.ask)
			must(t, err)
			a, err := questionOf(values)
			got := ""
			if err == nil {
				got, _, err = a.query()
			}
			switch {
			case err == nil && got == c.want:
				if _, err := traceql.Parse(got); err != nil {
					t.Errorf("%s: %v", got, err)
				}
			case err != nil && strings.Contains(err.Error(), c.want) && isBad(err):
			default:
				t.Errorf("%s, %v, want %s", got, err, c.want)
			}
		})
	}
}

var rowID = regexp.MustCompile(`name="compare" value="([0-9a-f]{32})"`)

// found are the traces of a list, by the last byte of their ids.
func found(t *testing.T, body string) (ids []int) {
	t.Helper()
	for _, m := range rowID.FindAllStringSubmatch(body, -1) {
		id, err := strconv.ParseInt(m[1], 16, 64)
		must(t, err)
		ids = append(ids, int(id))
	}
	return ids
}

func TestSearch(t *testing.T) {
	w := newWorld(t, nil)
	at := began()
	for i := range 30 {
		w.keep(at.Add(-time.Duration(i)*time.Second), aSpan{
			trace: byte(i + 1), id: 1, service: fmt.Sprintf("s%d", i%2), name: "get", kind: ptrace.SpanKindServer,
			to: time.Duration(i+1) * ms, failed: i%10 == 0, more: func(s ptrace.Span) { s.Attributes().PutInt("code", int64(200+i)) },
		})
	}
	body := w.page(200, "/")
	if ids := found(t, body); len(ids) != 20 || ids[0] != 1 || ids[19] != 20 {
		t.Errorf("found %v, want the newest 20", ids)
	}
	says(t, body, "30 spans that match over time", "20 traces, the newest first", "s0 : get")
	if !strings.Contains(body, `<option value="s1"></option>`) || !strings.Contains(body, `<option value="span.code"></option>`) {
		t.Error("the fields are not completed")
	}
	for ask, want := range map[string]string{
		"status=error":              "[1 11 21]",
		"service=s1&max=4ms":        "[2 4]",
		"key=span.code&value=204":   "[5]",
		"q=%7Bduration%3E28ms%7D":   "[29 30]",
		"service=nobody":            "[]",
		"range=all&min=29ms":        "[29 30]",
		"limit=2":                   "[1 2]",
		"q=%7B%7D%7Ccount()%3E1":    "[]",
		"range=15m&name=get&min=1h": "[]",
	} {
		if got := fmt.Sprint(found(t, w.page(200, "/?"+ask))); got != want {
			t.Errorf("%s: found %s, want %s", ask, got, want)
		}
	}
	// What is behind the links: the same tomorrow, the older ones, a column.
	next := link(t, body, `rel="next"`)
	if ids := found(t, w.page(200, next)); len(ids) < 10 || ids[len(ids)-1] != 30 {
		t.Errorf("older traces are %v", ids)
	}
	if ids := found(t, w.page(200, link(t, body, `>Link to this search`))); len(ids) != 20 {
		t.Errorf("the link finds %v", ids)
	}
	column := link(t, body, `aria-label="20`)
	if ids := found(t, w.page(200, column)); len(ids) == 0 {
		t.Errorf("the column %s has no trace", column)
	}
	for _, bad := range []string{"range=soon", "start=5", "start=9&end=5", "range=9999d"} {
		w.page(400, "/?"+bad)
	}
}

// link is where the first link with some text after it leads.
func link(t *testing.T, body, with string) string {
	t.Helper()
	m := regexp.MustCompile(`<a href="([^"]*)"[ ]?` + with).FindStringSubmatch(body)
	if m == nil {
		t.Fatalf("there is no link %s", with)
	}
	return strings.ReplaceAll(m[1], "&amp;", "&")
}

func TestNothingToRead(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.Engine = nil })
	says(t, w.page(200, "/"), "There is no Tempo to read from")
	says(t, w.page(503, "/trace/1"), "Nothing to read from", "set tempo.query_url")
	w.page(503, "/services")
	w.page(200, "/status")
}
