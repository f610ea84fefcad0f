package main

import (
	"html"
	"strings"
	"testing"
	"time"
)

func TestStatusPage(t *testing.T) {
	s := busy()
	s.Spool.Oldest = time.Time{}
	s.Store.LastError = `HTTP 503: <script>alert("x")</script> & more`
	page := statusPage(s)
	if strings.Contains(page, "<script>") {
		t.Errorf("what Tempo answered is not escaped:\n%s", page)
	}
	_, rest, _ := strings.Cut(page, "<pre>\n")
	text, _, closed := strings.Cut(rest, "</pre>")
	if !closed || html.UnescapeString(text) != statusText(s, nil) {
		t.Errorf("the page does not have the text of the status:\n%s", page)
	}
	for _, path := range []string{"/ready", "/healthz", "/metrics", "/api/v1/status"} {
		if !strings.Contains(page, `<a href="`+path+`">`) {
			t.Errorf("no link to %s:\n%s", path, page)
		}
	}
	if !strings.Contains(page, "/api/...") {
		t.Errorf("nothing of the read API:\n%s", page)
	}
}
