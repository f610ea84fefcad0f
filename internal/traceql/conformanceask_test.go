package traceql

import (
	"context"
	"errors"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"
)

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
