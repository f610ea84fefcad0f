package tail

import (
	"errors"
	"strings"
	"testing"

	"appliance/internal/traceql"
)

func TestRulesThatCannotBeUsed(t *testing.T) {
	all := Keep{Probability: 1}
	for name, c := range map[string]struct {
		rule Rule
		want string // in the error
	}{
		"structural":          {Rule{When: `{ status = error } >> { name = "a" }`, Keep: all}, "tree"},
		"joined":              {Rule{When: `{ status = error } && { name = "a" }`, Keep: all}, "joins sets"},
		"pipeline":            {Rule{When: `{ status = error } | by(name)`, Keep: all}, "pipeline"},
		"aggregate":           {Rule{When: `{ } | avg(duration) > 1s`, Keep: all}, "pipeline"},
		"count of some":       {Rule{When: `{ status = error } | count() > 3`, Keep: all}, "count()"},
		"count alone":         {Rule{When: `count() > 3`, Keep: all}, "pipeline"},
		"metric":              {Rule{When: `{ } | rate()`, Keep: all}, "metric"},
		"hint":                {Rule{When: `{ } with(a=1)`, Keep: all}, "with("},
		"nested set":          {Rule{When: `{ nestedSetParent < 0 }`, Keep: all}, "nestedSetParent"},
		"children":            {Rule{When: `{ span:childCount > 1 }`, Keep: all}, "childCount"},
		"mixed":               {Rule{When: `{ traceDuration > 2s || status = error }`, Keep: all}, "a span and the duration"},
		"mixed root":          {Rule{When: `{ rootName = name }`, Keep: all}, "a span and the root"},
		"two of an event":     {Rule{When: `{ event:name = "a" && event.b = 1 }`, Keep: all}, "second question"},
		"not a query":         {Rule{When: `{ status = }`, Keep: all}, "line 1"},
		"probability":         {Rule{Keep: Keep{Probability: 1.5}}, "probability"},
		"per without rate":    {Rule{Keep: all, Per: []string{"resource.service.name"}}, "per"},
		"per is no attribute": {Rule{Keep: Keep{SpansPerSecond: 5}, Per: []string{"a b"}}, "per"},
		"per of the trace":    {Rule{Keep: Keep{SpansPerSecond: 5}, Per: []string{"rootName"}}, "per"},
	} {
		c.rule.Name = "the rule"
		err := Check([]Rule{c.rule})
		var bad *RuleError
		if !errors.As(err, &bad) || bad.Rule != "the rule" || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want an error with %q", name, err, c.want)
		}
	}
	if err := Check([]Rule{{Keep: all}}); err == nil || !strings.Contains(err.Error(), "name") {
		t.Errorf("a rule without a name: %v", err)
	}
	if err := Check([]Rule{{Name: "a", Keep: all}, {Name: "a", Keep: all}}); err == nil {
		t.Error("two rules of one name are taken")
	}
}

// traceOf is what is known of a trace after its spans.
func seen(t *testing.T, rs *rules, spans ...sp) *trace {
	t.Helper()
	tr := &trace{}
	values := newGroups(len(rs.per))
	if err := eachSpan(request(spans...), func(resource, scope, span []byte) {
		var one traceql.OneSpan
		if err := one.Set(resource, scope, span); err != nil {
			t.Fatal(err)
		}
		tr.see(rs, values, &one)
	}); err != nil {
		t.Fatal(err)
	}
	return tr
}

func TestConditions(t *testing.T) {
	root := sp{trace: 1, id: 1, name: "GET /", service: "front", start: 1000, end: 1500}
	child := sp{trace: 1, id: 2, parent: 1, name: "query", service: "db", attr: "gold", start: 1100, end: 3500}
	bad := sp{trace: 1, id: 3, parent: 1, name: "write", service: "db", failed: true, start: 1200, end: 1300}
	for _, c := range []struct {
		when  string
		spans []sp
		want  bool
	}{
		{``, []sp{root}, true},
		{`{ }`, []sp{root}, true},
		{`{ status = error }`, []sp{root, child}, false},
		{`{ status = error }`, []sp{root, bad}, true},
		{`{ status = error }`, []sp{bad, root}, true},
		{`{ status = error && name = "query" }`, []sp{root, child, bad}, false}, // not of one span
		{`{ status = error || name = "query" }`, []sp{child}, true},
		{`{ resource.service.name = "db" && span.tier = "gold" }`, []sp{root, child}, true},
		{`{ traceDuration > 2s }`, []sp{root}, false},
		{`{ traceDuration > 2s }`, []sp{root, child}, true},
		{`{ !(traceDuration > 2s) }`, []sp{root, child}, false},
		{`{ traceDuration > 2s && status = error }`, []sp{root, child}, false},
		{`{ traceDuration > 2s && status = error }`, []sp{root, child, bad}, true},
		{`{ trace:duration > 2s && rootServiceName = "front" && status = error }`, []sp{bad, child, root}, true},
		{`{ rootName = "GET /" }`, []sp{child, root, bad}, true},
		{`{ rootName = "query" }`, []sp{child, root}, false},
		{`{ rootName =~ "GET.*" || rootServiceName = "x" }`, []sp{root}, true},
		{`{ rootName != "a" }`, []sp{child}, true}, // as in TraceQL: it is "" there
		{`{ rootName = "" }`, []sp{child}, true},
		{`{ rootName = nil }`, []sp{child, bad}, true},
		{`{ rootName = nil }`, []sp{child, root}, false},
		{`{ rootServiceName != nil }`, []sp{child, root}, true},
		{`{ } | count() > 2`, []sp{root, child}, false},
		{`{ } | count() > 2`, []sp{root, child, bad}, true},
		{`{ rootName = nil } | count() >= 2`, []sp{bad, child}, true},
		{`{ traceDuration > 2s } | count() >= 3`, []sp{child, root}, false},
		{`{ event:name = "x" }`, []sp{root}, false},
	} {
		rs, err := compile([]Rule{{Name: "a", When: c.when, Keep: Keep{Probability: 1}}}, threshold)
		if err != nil {
			t.Errorf("%s: %v", c.when, err)
			continue
		}
		if got := rs.first(seen(t, rs, c.spans...)) == 0; got != c.want {
			t.Errorf("%s is %v for %+v, want %v", c.when, got, c.spans, c.want)
		}
	}
}

func TestFirstRuleDecides(t *testing.T) {
	rs, err := compile([]Rule{
		{Name: "ping", When: `{ name = "ping" }`},
		{Name: "errors", When: `{ status = error }`, Keep: Keep{Probability: 1}},
	}, threshold)
	if err != nil {
		t.Fatal(err)
	}
	both := []sp{{trace: 1, id: 1, name: "ping"}, {trace: 1, id: 2, parent: 1, failed: true}}
	if r := rs.first(seen(t, rs, both...)); r != 0 {
		t.Errorf("rule %d decides, want the first", r)
	}
	if r := rs.first(seen(t, rs, sp{trace: 1, id: 1, name: "x"})); r != noRule {
		t.Errorf("rule %d decides, want none", r)
	}
}

func TestValuesOfPer(t *testing.T) {
	rs, err := compile([]Rule{{Name: "a", Keep: Keep{SpansPerSecond: 5}, Per: []string{"resource.service.name", "span.tier"}}}, threshold)
	if err != nil {
		t.Fatal(err)
	}
	root := sp{trace: 1, id: 1, service: "front"}
	child := sp{trace: 1, id: 2, parent: 1, service: "db", attr: "gold"}
	for _, spans := range [][]sp{{root, child}, {child, root}} {
		values := newGroups(2)
		tr := &trace{}
		_ = eachSpan(request(spans...), func(resource, scope, span []byte) {
			var one traceql.OneSpan
			_ = one.Set(resource, scope, span)
			tr.see(rs, values, &one)
		})
		want := hashes(values.appendHash(values.appendHash(nil, "front"), "gold"))
		if got := values.list[tr.group].values; got != want {
			t.Errorf("values of %v are %x, want %x: front of the root, and gold, the first", spans, got, want)
		}
	}
}
