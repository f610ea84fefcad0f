package pages

import (
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestStatus(t *testing.T) {
	s := Status{
		Ready: false, NotReady: "the spool is full", Uptime: time.Hour, Text: "as text\n",
		Flow:     []Stage{{Name: "received", Figure: "12", Note: "spans", Leaves: "3 rejected"}, {Name: "spool", Figure: "9", Trouble: true}},
		Warnings: []Warning{{What: "slow", Do: "wait"}, {What: "full <b>", Do: "make room", Grave: true}},
		Parts:    []Part{{Title: "Every span", Rows: []Row{{"kept", "9", "of 12"}}}},
	}
	w := newWorld(t, func(o *Options) { o.Status = func() Status { return s } })
	body := w.page(200, "/status")
	says(t, body, "Spans are refused: the spool is full", "full <b>", "make room", "received 12 spans 3 rejected", "Every span kept 9 of 12", "as text")
	if strings.Index(body, "make room") > strings.Index(body, "wait") {
		t.Error("what is grave does not come first")
	}
	r := httptest.NewRequest(http.MethodGet, "/status", nil)
	r.Header.Set("Accept", "text/plain")
	answer := httptest.NewRecorder()
	w.pages.ServeHTTP(answer, r)
	if answer.Body.String() != "as text\n" || !strings.HasPrefix(answer.Header().Get("Content-Type"), "text/plain") {
		t.Errorf("as text it is %q", answer.Body)
	}
}

func TestHistory(t *testing.T) {
	h := NewHistory([]Graph{
		{Title: "Spans", Unit: "a second", Lines: []GraphLine{{Name: "received", Rate: true}}},
		{Title: "Disk", Unit: "bytes", Lines: []GraphLine{{Name: "free"}}},
	})
	if p, _ := h.plots(time.Now()); len(p) != 2 || !p[0].Empty {
		t.Errorf("without a sample %+v", p)
	}
	at := time.Now().Add(-48 * time.Hour)
	n := 5000 // more than a day has
	for i := range n {
		total := float64(i * 300)
		if i > n-10 {
			total = float64(i-n+10) * 300 // it began anew
		}
		free := 1024.0
		if i == n-100 {
			free = math.NaN()
		}
		h.Add(at.Add(time.Duration(i)*HistoryEvery), total, free)
	}
	now := at.Add(time.Duration(n) * HistoryEvery)
	p, since := h.plots(now)
	if since != "the last 24h0m0s" {
		t.Errorf("since %q", since)
	}
	if l := p[0].Lines[0]; l.Now != "10 a second" || l.Highest != "10 a second" || l.Lowest != "10 a second" {
		t.Errorf("received %+v", l)
	}
	if l := p[1].Lines[0]; l.Now != "1.0 KiB" || len(l.Paths) == 0 || strings.Contains(strings.Join(l.Paths, ""), "NaN") {
		t.Errorf("free %+v", l)
	}
	if points := strings.Count(strings.Join(p[0].Lines[0].Paths, ""), "L"); points > plotPoints {
		t.Errorf("%d points", points)
	}
	h.Add(now, 1) // of another width: not taken
	if again, _ := h.plots(now); again[0].Lines[0].Now != p[0].Lines[0].Now {
		t.Error("a sample that lacks a value was taken")
	}
}

func TestAssets(t *testing.T) {
	w := newWorld(t, nil)
	for name, kind := range map[string]string{"pages.css": "text/css", "pages.js": "text/javascript", "icon.svg": "image/svg+xml"} {
		answer := w.get(w.pages.assets.path(name))
		if !strings.HasPrefix(answer.Header().Get("Content-Type"), kind) || !strings.Contains(answer.Header().Get("Cache-Control"), "immutable") || answer.Body.Len() == 0 {
			t.Errorf("%s: %d %v", name, answer.Code, answer.Header())
		}
		if other := w.get("/pages/" + name + "?v=old"); strings.Contains(other.Header().Get("Cache-Control"), "immutable") {
			t.Errorf("%s of another version may be kept", name)
		}
	}
	if answer := w.get("/pages/layout.html"); answer.Code != 404 {
		t.Errorf("a template is served: %d", answer.Code)
	}
}

func TestTexts(t *testing.T) {
	for ns, want := range map[uint64]string{0: "0 ns", 999: "999 ns", 1500: "1.5 µs", 999_999: "1000 µs", 12_345_678: "12.3 ms", 123_456_789: "123 ms", 61e9: "1.02 min", 7200e9: "2 h", math.MaxUint64: "2562048 h"} {
		if got := durationText(ns); got != want {
			t.Errorf("%d is %q, want %q", ns, got, want)
		}
	}
	for in, want := range map[string]string{"a\xffb": `a\xffb`, "\u202e\x00\t": `\u202e\x00\t`, "é\n": "é\n", "\uFFFD": "\uFFFD", "שלום": "שלום"} {
		if got := visible(in); got != want {
			t.Errorf("%q is %q, want %q", in, got, want)
		}
	}
	if got := cutTo(4, "aééé"); got.Text != "aé" || got.Bytes != 7 {
		t.Errorf("%+v", got)
	}
}
