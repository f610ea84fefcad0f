package traceql

import (
	"bufio"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

const conformanceDir = "../../e2e/testdata/conformance"

// answered is a line of the record: a request, and what a real Tempo answered.
type answered struct {
	ID       string      `json:"id"`
	Category string      `json:"category"`
	Method   string      `json:"method"`
	Path     string      `json:"path"`
	Query    [][2]string `json:"query"`
	Status   int         `json:"status"`
	Body     any         `json:"body"`
	Stable   bool        `json:"stable"`
	Note     string      `json:"note"`
	OneBlock any         `json:"oneBlock"`
}

func (r *answered) param(name string) string {
	for _, p := range r.Query {
		if p[0] == name {
			return p[1]
		}
	}
	return ""
}

func (r *answered) number(name string, otherwise int) int {
	if n, err := strconv.Atoi(r.param(name)); err == nil {
		return n
	}
	return otherwise
}

func gunzip(t testing.TB, path string) []byte {
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// conformanceBatch has all spans of the record's dataset, conformanceParts those
// of its two parts, as the Tempo had them that was recorded.
var conformanceBatch = sync.OnceValue(func() *MemoryBatch { return readConformance(1, 2) })

var conformanceParts = sync.OnceValue(func() []*MemoryBatch {
	return []*MemoryBatch{readConformance(1), readConformance(2)}
})

func readConformance(parts ...int) *MemoryBatch {
	b, err := NewMemoryBatch(conformanceRequests(parts...)...)
	if err != nil {
		panic(err)
	}
	return b
}

func conformanceRequests(parts ...int) (requests [][]byte) {
	var patterns []string
	for _, p := range parts {
		patterns = append(patterns, fmt.Sprintf("dataset/part-%d-*", p), fmt.Sprintf("edge/part-%d*", p))
	}
	for _, pattern := range patterns {
		paths, err := filepath.Glob(filepath.Join(conformanceDir, pattern))
		if err != nil || len(paths) == 0 {
			panic("no files " + pattern)
		}
		sort.Strings(paths)
		for _, p := range paths {
			f, err := os.Open(p)
			if err != nil {
				panic(err)
			}
			z, err := gzip.NewReader(f)
			if err != nil {
				panic(err)
			}
			b, err := io.ReadAll(z)
			if err != nil {
				panic(err)
			}
			f.Close()
			requests = append(requests, b)
		}
	}
	return requests
}

func record(t testing.TB) []answered {
	var out []answered
	lines := bufio.NewScanner(strings.NewReader(string(gunzip(t, filepath.Join(conformanceDir, "open.jsonl.gz")))))
	lines.Buffer(nil, 64<<20)
	for first := true; lines.Scan(); first = false {
		if first {
			continue
		}
		var r answered
		d := json.NewDecoder(strings.NewReader(lines.Text()))
		d.UseNumber()
		if err := d.Decode(&r); err != nil {
			t.Fatal(err)
		}
		r.Body, r.OneBlock = rounded(r.Body), rounded(r.OneBlock)
		out = append(out, r)
	}
	return out
}

// evaluate answers a request in canonical form. An error is one of a request
// that is refused. ok is false for requests that are not evaluation's.
func evaluate(t testing.TB, r *answered) (got any, err error, ok bool) {
	switch {
	case r.Path == "/api/search" && r.param("q") != "" && r.param("start") != "":
		got, err = evaluateSearch(t, r)
	case strings.HasPrefix(r.Path, "/api/metrics/") && r.Status == 200:
		got, err = evaluateMetrics(t, r)
	case strings.HasPrefix(r.Path, "/api/v2/search/tag") && r.Status == 200 && r.param("limit") == "" && r.param("maxStaleValues") == "":
		got, err = evaluateTags(t, r)
	default:
		return nil, nil, false
	}
	return got, err, true
}

func evaluateMetrics(t testing.TB, r *answered) (any, error) {
	q, err := Parse(r.param("q"))
	if err != nil {
		return nil, err
	}
	o := MetricsOptions{Start: nanos(t, r.param("start")), End: nanos(t, r.param("end")), Exemplars: 100}
	if strings.HasSuffix(r.Path, "query_range") {
		if o.Step = uint64(duration(t, r.param("step"))); o.Step == 0 {
			return nil, nil
		}
	}
	m, err := NewMetrics(q, o)
	if err != nil {
		return nil, err
	}
	for _, part := range conformanceParts() {
		if err := m.Add(context.Background(), part); err != nil {
			t.Fatalf("%s: %v", r.param("q"), err)
		}
	}
	series, partial := m.Series()
	if partial != "" {
		t.Fatalf("%s: partial: %s", r.param("q"), partial)
	}
	var all []any
	if o.Step > 0 {
		all = []any{}
	}
	exemplars := false
	for _, s := range series {
		all = append(all, jsonSeries(s, o.Step == 0))
		exemplars = exemplars || len(s.Exemplars) > 0
	}
	sortedBy(all, encoded)
	out := object{}
	if all != nil {
		out["series"] = all
	}
	if strings.HasSuffix(r.Category, "exemplars") {
		out["hasExemplars"] = exemplars
	}
	return shortened(rounded(out)), nil
}

func nanos(t testing.TB, s string) uint64 {
	if at, err := time.Parse(time.RFC3339, s); err == nil {
		return uint64(at.UnixNano())
	}
	if n, err := strconv.ParseUint(s, 10, 64); err == nil {
		if n < 1e12 {
			return n * 1e9
		}
		return n
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		t.Fatalf("time %q: %v", s, err)
	}
	return uint64(f*1e3) * 1e6
}

func duration(t testing.TB, s string) time.Duration {
	if d, err := time.ParseDuration(s); err == nil {
		return d
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return 0
	}
	return time.Duration(f * 1e9)
}

func evaluateSearch(t testing.TB, r *answered) (any, error) {
	q, err := Parse(r.param("q"))
	if err != nil {
		return nil, err
	}
	s, err := NewSearch(q, SearchOptions{
		Start: uint64(r.number("start", 0)) * 1e9, End: uint64(r.number("end", 0)) * 1e9,
		Limit: r.number("limit", 20), SpansPerSet: r.number("spss", 3),
	})
	if err != nil {
		return nil, err
	}
	if err := s.Add(context.Background(), conformanceBatch()); err != nil {
		t.Fatalf("%s: %v", r.param("q"), err)
	}
	found, partial := s.Found()
	if partial != "" {
		t.Fatalf("%s: partial: %s", r.param("q"), partial)
	}
	traces := []any{}
	for _, f := range found {
		traces = append(traces, jsonTrace(f))
	}
	return shortened(rounded(canonicalSearch(traces))), nil
}

func TestConformance(t *testing.T) {
	type tally struct{ equal, all int }
	tallies := map[string]*tally{}
	show, _ := strconv.Atoi(os.Getenv("SHOW"))
	for _, r := range record(t) {
		if !r.Stable || r.Note != "" || !strings.HasPrefix(r.Category, os.Getenv("CATEGORY")) {
			continue
		}
		if _, listed := differing(&r); listed {
			continue
		}
		got, err, ok := evaluate(t, &r)
		if !ok {
			continue
		}
		if tallies[r.Category] == nil {
			tallies[r.Category] = &tally{}
		}
		tallies[r.Category].all++
		var diff string
		switch {
		case r.Status >= 400 && err == nil:
			diff = "want status " + strconv.Itoa(r.Status) + ": " + cut(encoded(r.Body))
		case r.Status < 400 && err != nil:
			diff = "refused: " + err.Error()
		case err == nil:
			diff = difference(r.Body, got, "")
			if diff != "" && r.OneBlock != nil {
				diff = difference(r.OneBlock, got, "")
			}
		}
		if diff == "" {
			tallies[r.Category].equal++
		} else if show > 0 {
			show--
			t.Logf("%s %s %s %s %v\n      %s", r.ID, r.Category, r.Path, r.param("q"), r.Query, diff)
		}
	}
	var names []string
	for name := range tallies {
		names = append(names, name)
	}
	sort.Strings(names)
	sum := tally{}
	for _, name := range names {
		n := tallies[name]
		sum.equal, sum.all = sum.equal+n.equal, sum.all+n.all
		if n.equal < n.all {
			t.Logf("%-45s %d of %d", name, n.equal, n.all)
		}
	}
	t.Logf("%d of %d equal", sum.equal, sum.all)
}

// differing says why an answer is not Tempo's, of what is not on purpose the
// same. docs/traceql.md has these reasons.
func differing(r *answered) (why string, listed bool) {
	q := r.param("q")
	body, _ := r.Body.(string)
	switch {
	case strings.Contains(body, "expecting = or !=") && strings.Contains(q, "nil"):
		return "= nil is of later versions", true
	case strings.HasPrefix(r.Category, "invalid/parameters"), strings.HasPrefix(r.Category, "search/start end") && r.Status == 400:
		return "the request is refused before it is evaluated", true
	}
	return "", false
}

func evaluateTags(t testing.TB, r *answered) (any, error) {
	q, err := Parse(r.param("q"))
	if err != nil {
		q = nil // as if there were none
	}
	if name, ok := strings.CutPrefix(r.Path, "/api/v2/search/tag/"); ok {
		name, err = url.PathUnescape(strings.TrimSuffix(name, "/values"))
		if err != nil {
			return nil, err
		}
		return evaluateValues(t, q, name)
	}
	scope := map[string]Scope{
		"span": ScopeSpan, "resource": ScopeResource, "event": ScopeEvent, "link": ScopeLink,
		"instrumentation": ScopeInstrumentation,
	}[r.param("scope")]
	names, err := NewTagNames(q, scope, 0)
	if err != nil {
		return nil, err
	}
	if err := names.Add(context.Background(), conformanceBatch()); err != nil {
		return nil, err
	}
	byScope, _ := names.Names()
	scopes := []any{}
	for scope, keys := range byScope {
		if r.param("scope") == "intrinsic" {
			break
		}
		tags := []any{}
		for _, k := range keys {
			tags = append(tags, k)
		}
		sortedBy(tags, encoded)
		scopes = append(scopes, object{"name": scope.String(), "tags": tags})
	}
	if s := r.param("scope"); s == "" || s == "none" || s == "intrinsic" {
		tags := []any{}
		for _, k := range strings.Fields("duration event:name event:timeSinceStart instrumentation:name instrumentation:version kind name rootName rootServiceName span:duration span:kind span:name span:status span:statusMessage status statusMessage trace:duration trace:rootName trace:rootService traceDuration") {
			tags = append(tags, k)
		}
		scopes = append(scopes, object{"name": "intrinsic", "tags": tags})
	}
	sortedBy(scopes, encoded)
	return shortened(rounded(object{"scopes": scopes})), nil
}

func evaluateValues(t testing.TB, q *Query, name string) (any, error) {
	f, err := fieldNamed(name)
	if err != nil {
		return nil, err
	}
	values, err := NewTagValues(q, f, 0)
	if err != nil {
		return nil, err
	}
	if err := values.Add(context.Background(), conformanceBatch()); err != nil {
		return nil, err
	}
	found, partial := values.Values()
	if partial != "" {
		return nil, errors.New(string(partial))
	}
	out := []any{}
	for _, v := range found {
		one := object{"type": "string", "value": v.Str}
		switch v.Type {
		case TypeInt, TypeDuration:
			one = object{"type": "int", "value": strconv.FormatInt(v.Num, 10)}
		case TypeFloat:
			one = object{"type": "float", "value": floatText(v.Float())}
		case TypeBool:
			one = object{"type": "bool", "value": v.String()}
		case TypeStatus, TypeKind:
			one = object{"type": "keyword", "value": v.String()}
		}
		if v.Type == TypeString && v.Str == "" {
			delete(one, "value")
		}
		out = append(out, one)
	}
	sortedBy(out, encoded)
	return shortened(rounded(object{"tagValues": out})), nil
}

// fieldNamed is the field that a path names.
func fieldNamed(name string) (Field, error) {
	q, err := Parse("{ } | select(" + name + ")")
	if err == nil {
		return fieldOf(q.Spans.Stages[1].(*Select).Attrs[0]), nil
	}
	for prefix, scope := range map[string]Scope{
		"span.": ScopeSpan, "resource.": ScopeResource, ".": ScopeNone, "event.": ScopeEvent,
		"link.": ScopeLink, "instrumentation.": ScopeInstrumentation,
	} {
		if key, ok := strings.CutPrefix(name, prefix); ok {
			return Field{Scope: scope, Name: key}, nil
		}
	}
	return Field{}, err
}
