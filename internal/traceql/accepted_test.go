package traceql

import (
	"bufio"
	"os"
	"strconv"
	"strings"
	"testing"
)

// recorded is a query of testdata/accepted.txt and what Tempo 2.8 said of it.
type recorded struct{ verdict, kind, query string }

func readRecorded(t testing.TB) []recorded {
	t.Helper()
	f, err := os.Open("testdata/accepted.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var all []recorded
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if strings.HasPrefix(lines.Text(), "#") {
			continue
		}
		parts := strings.SplitN(lines.Text(), " ", 3)
		query, err := strconv.Unquote(parts[2])
		if err != nil {
			t.Fatalf("%s: %v", lines.Text(), err)
		}
		all = append(all, recorded{parts[0], parts[1], query})
	}
	return all
}

// later says whether a query that Tempo 2.8 refuses is of a later version: it
// compares with nil by =, or compares a metric with a number.
func later(q *Query, text string) bool {
	if strings.Contains(text, "= nil") && !strings.Contains(text, "!= nil") ||
		strings.Contains(text, "nil = ") {
		return true
	}
	_, compared := q.Metric.(*MetricBinary)
	return compared
}

// Where Tempo fails with status 500 the query is either refused, for its types
// do not fit, or it is right and Tempo's evaluation has a fault.
func TestFaultsOfTempo(t *testing.T) {
	want := map[string]bool{
		"{ duration = 4e6 }":                true,
		"{ instrumentation:name = 5 }":      true,
		"{ instrumentation:version = 1.2 }": true,
		"{ span.t.ints + 1 = 2 }":           false,
	}
	for _, r := range readRecorded(t) {
		if r.verdict != "fault" {
			continue
		}
		if _, err := Parse(r.query); (err != nil) != want[r.query] {
			t.Errorf("%s: %v, want refused: %v", r.query, err, want[r.query])
		}
		delete(want, r.query)
	}
	if len(want) > 0 {
		t.Errorf("not in the record: %v", want)
	}
}

func TestAcceptsWhatTempoAccepts(t *testing.T) {
	all := readRecorded(t)
	if len(all) < 2000 {
		t.Fatalf("%d queries were read, want all of the record", len(all))
	}
	exceptions := 0
	for _, r := range all {
		q, err := Parse(r.query)
		accepted := err == nil && (r.kind == "search" || q.Metric != nil)
		switch {
		case r.verdict == "accept" && !accepted:
			t.Errorf("%s: %v, want accepted", r.query, err)
		case r.verdict == "refuse" && accepted && later(q, r.query):
			exceptions++
		case r.verdict == "refuse" && accepted:
			t.Errorf("%s: accepted as %v, want refused", r.query, q)
		}
	}
	if exceptions != 57 {
		t.Errorf("%d queries of later versions are accepted, want 57", exceptions)
	}
}
