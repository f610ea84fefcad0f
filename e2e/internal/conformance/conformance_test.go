package conformance

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
)

func parsed(t *testing.T, text string) any {
	t.Helper()
	v, err := fromJSON([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// TestCanonical gives two answers that say the same one form.
func TestCanonical(t *testing.T) {
	for name, c := range map[string]struct{ path, one, other string }{
		"search": {"/api/search",
			`{"traces":[{"traceID":"b","startTimeUnixNano":"20","spanSets":[{"spans":[{"spanID":"2","startTimeUnixNano":"3"},{"spanID":"1","startTimeUnixNano":"3"}]}]},{"traceID":"a","startTimeUnixNano":"9"}],"metrics":{"inspectedBytes":"7"}}`,
			`{"traces":[{"startTimeUnixNano":"20","traceID":"b","spanSets":[{"spans":[{"spanID":"1","startTimeUnixNano":"3"},{"startTimeUnixNano":"3","spanID":"2"}]}]},{"traceID":"a","startTimeUnixNano":"9"}]}`},
		"trace": {"/api/traces/1",
			`{"batches":[{"resource":{},"scopeSpans":[{"scope":{},"spans":[{"spanId":"b","status":{}},{"spanId":"a","attributes":[{"key":"y"},{"key":"x"}]}]}]}]}`,
			`{"resourceSpans":[{"scopeSpans":[{"spans":[{"spanId":"a","attributes":[{"key":"x"},{"key":"y"}]},{"spanId":"b"}]}]}]}`},
		"metrics": {"/api/metrics/query_range",
			`{"series":[{"promLabels":"b","samples":[{"value":0.30000000000000004}],"exemplars":[{}]},{"promLabels":"a"}]}`,
			`{"series":[{"promLabels":"a"},{"promLabels":"b","samples":[{"value":0.3}]}]}`},
		"tags": {"/api/v2/search/tags", `{"scopes":[{"name":"span","tags":["b","a"]},{"name":"resource"}]}`, `{"scopes":[{"name":"resource"},{"tags":["a","b"],"name":"span"}]}`},
	} {
		t.Run(name, func(t *testing.T) {
			r := &Request{Method: "GET", Path: c.path}
			if d := differ(canonical(r, parsed(t, c.one)), canonical(r, parsed(t, c.other)), "body"); d != "" {
				t.Error(d)
			}
		})
	}
}

// TestOrder tells a search that is sorted from one that is not.
func TestOrder(t *testing.T) {
	r := &Request{Method: "GET", Path: "/api/search"}
	sorted := canonical(r, parsed(t, `{"traces":[{"traceID":"a","startTimeUnixNano":"20"},{"traceID":"b","startTimeUnixNano":"9"}]}`))
	other := canonical(r, parsed(t, `{"traces":[{"traceID":"b","startTimeUnixNano":"9"},{"traceID":"a","startTimeUnixNano":"20"}]}`))
	if d := differ(sorted, other, "body"); !strings.Contains(d, "_order") {
		t.Errorf("the order of the traces does not count: %q", d)
	}
}

// TestDiffer wants the place of a difference told.
func TestDiffer(t *testing.T) {
	want := `{"traces":[{"traceID":"a","spans":[1,2.5,"x"]},{"traceID":"b"}]}`
	for _, c := range []struct{ got, told string }{
		{`{"traces":[{"traceID":"a","spans":[1,2.5,"x"]}]}`, "body.traces: want 2, got 1; missing is b"},
		{`{"traces":[{"traceID":"a","spans":[1,2.6,"x"]},{"traceID":"b"}]}`, "body.traces[0].spans[1]: want 2.5, got 2.6"},
		{`{"traces":[{"traceID":"a"},{"traceID":"b"}]}`, "body.traces[0].spans: want [1,2.5,\"x\"], got nothing"},
		{`{"traces":[{"traceID":"a","spans":[1,2.5,"x"]},{"traceID":"b","more":true}]}`, "body.traces[1].more: want nothing, got true"},
		{`"words"`, `body: want {"traces":`},
		{want, ""},
	} {
		d := differ(rounded(parsed(t, want)), rounded(parsed(t, c.got)), "body")
		if !strings.HasPrefix(d, c.told) || c.told == "" && d != "" {
			t.Errorf("%s: %q is told, not %q", c.got, d, c.told)
		}
	}
}

// TestShift moves a request's times and the answer's, and nothing else.
func TestShift(t *testing.T) {
	r := Request{
		Query:   [][2]string{{"start", "1795878000"}, {"end", "1795878000.5"}, {"start", "2026-11-28T15:00:00Z"}, {"start", "1795878000000000000"}, {"limit", "1795878000"}, {"start", "x"}},
		Message: object{"start": "1795878000", "query": "1795878000"},
	}
	moved := r.shifted(60)
	want := [][2]string{{"start", "1795878060"}, {"end", "1795878060.5"}, {"start", "2026-11-28T15:01:00Z"}, {"start", "1795878060000000000"}, {"limit", "1795878000"}, {"start", "x"}}
	if fmt.Sprint(moved.Query) != fmt.Sprint(want) || !maps.Equal(moved.Message, object{"start": "1795878060", "query": "1795878000"}) {
		t.Errorf("the request is moved to %v %v", moved.Query, moved.Message)
	}
	if r.Query[0][1] != "1795878000" {
		t.Error("the original is moved too")
	}
	answer := parsed(t, `{"startTimeUnixNano":"1795878060000000000","timestampMs":"1795878060000","name":"1795878060","list":[{"endTimeUnixNano":"0"}]}`)
	back := encode(shiftedAnswer(answer, -60))
	if back != `{"list":[{"endTimeUnixNano":"0"}],"name":"1795878060","startTimeUnixNano":"1795878000000000000","timestampMs":"1795878000000"}` {
		t.Errorf("the answer is moved to %s", back)
	}
}

// TestCorpus reads the corpora, whose long bodies are short already: to shorten
// them again changes nothing.
func TestCorpus(t *testing.T) {
	for _, name := range []string{"open", "no-negative"} {
		meta, lines, err := Read(filepath.Join("..", "..", "testdata", "conformance", name+".jsonl.gz"))
		if err != nil {
			t.Fatal(err)
		}
		o := Options{SkipFaults: true}
		chosen := o.Choose(lines)
		if meta.Base != 1795878000 || len(chosen) == 0 {
			t.Errorf("of %d lines of %s, %d are chosen; its base is %d", len(lines), name, len(chosen), meta.Base)
		}
		for _, l := range chosen {
			before := encode(l.Body)
			if after := encode(shorten(l.Body)); after != before {
				t.Errorf("%s: %.300s is shortened to %.300s", l.ID, before, after)
			}
			if l.Category == fatal || !l.Stable || l.Note != "" {
				t.Errorf("%s of category %s is chosen: stable %v, %q", l.ID, l.Category, l.Stable, l.Note)
			}
		}
	}
}

// TestReplay asks a server that is right once, wrong once, and fails once.
func TestReplay(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Query().Get("q") {
		case "right":
			fmt.Fprint(w, `{"traces":[],"metrics":{}}`)
		case "wrong":
			fmt.Fprint(w, `{"traces":[{"traceID":"a"}]}`)
		default:
			http.Error(w, "words of its own", http.StatusBadRequest)
		}
	}))
	defer server.Close()
	c, err := NewClient(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	line := func(q string, status int, body any) *Line {
		return &Line{Request: Request{Method: "GET", Path: "/api/search", Query: [][2]string{{"q", q}}}, Answer: Answer{Status: status, Body: body}}
	}
	nothing := object{"traces": []any{}}
	lines := []*Line{line("right", 200, nothing), line("wrong", 200, nothing), line("refused", 400, "other words"), line("refused", 200, nothing)}
	for words, want := range map[bool]string{false: "equal different equal different", true: "equal different different different"} {
		results, err := Replay(t.Context(), c, lines, Options{Words: words, Parallel: 2})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, r := range results {
			is := "equal"
			if r.Difference != "" {
				is = "different"
			}
			got = append(got, is)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("with words %v the answers are %v, not %s", words, got, want)
		}
	}
}

// TestBadCorpus refuses files that are no corpus.
func TestBadCorpus(t *testing.T) {
	for _, text := range []string{"", "{}\n", `{"corpus":"x","base":1,"lines":2}` + "\n{}\n", `{"corpus":"x","base":1,"lines":1}` + "\nnothing\n"} {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		if _, err := z.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		if _, _, err := read(&b); err == nil {
			t.Errorf("%q is read as a corpus", text)
		}
	}
}
