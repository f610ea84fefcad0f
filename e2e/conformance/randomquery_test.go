package main

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// queryMaker makes queries by the grammar, about what spanMaker makes. Most of
// them have types that fit.
//
// It leaves out what docs/traceql.md lists as a fault of a stock Tempo: a literal
// before < and >, &>> and &<<, the order of texts and identifiers, comparisons of the time since
// the start, arrays, ! and - of what may be missing, aggregates of arithmetic,
// attributes alone beside ||, events and links beside ||.
type queryMaker struct {
	*rand.Rand
	joined bool // with || or other filters
}

func (m queryMaker) one(n int) bool { return m.IntN(n) == 0 }

func (m queryMaker) pick(choices ...string) string { return choices[m.IntN(len(choices))] }

// sort is a type of values.
type sort int

const (
	texts sort = iota
	ids
	ints
	floats
	bools
	durations
	statuses
	kinds
	anything
)

// attribute is something of a span, and its type.
func (m queryMaker) attribute() (string, sort) {
	of := m.sort()
	return m.attributeOf(of), of
}

func (m queryMaker) sort() sort {
	if m.joined {
		return []sort{texts, texts, texts, ints, ints, floats, bools, durations, statuses, kinds, anything}[m.IntN(11)]
	}
	return []sort{texts, texts, texts, ids, ints, ints, ints, floats, bools, durations, durations, statuses, kinds, anything}[m.IntN(14)]
}

func (m queryMaker) attributeOf(of sort) string {
	switch of {
	case texts:
		return m.pick("span.s", ".s", "resource.s", "instrumentation.is", "name", "span:name",
			"resource.service.name", ".service.name", "span.service.name", "resource.region", ".region", "resource.cluster",
			"resource.namespace", "resource.k8s.pod.name", "span.http.method", ".http.method", "span.http.url",
			"statusMessage", "span:statusMessage", "rootName", "trace:rootName", "rootServiceName", "trace:rootService",
			"instrumentation:name", "instrumentation:version", "span.name")
	case ids:
		return m.pick("span:id", "span:parentID", "trace:id", "link:spanID", "link:traceID")
	case ints:
		return m.pick("span.n", ".n", "resource.n", "instrumentation.in", "span.http.status_code",
			".http.status_code", `span."db rows"`, `."db rows"`)
	case floats:
		return m.pick("span.f", ".f")
	case bools:
		return m.pick("span.b", ".b", "resource.b")
	case durations:
		return m.pick("duration", "span:duration", "traceDuration", "trace:duration")
	case statuses:
		return m.pick("status", "span:status")
	case kinds:
		return m.pick("kind", "span:kind")
	}
	return m.pick("span.mix", ".mix", "resource.mix", "span.nothing", ".nothing")
}

func (m queryMaker) literal(of sort) string {
	switch of {
	case texts:
		return m.pick(`"x"`, `"y"`, "`xy`", `"GET"`, `"404"`, `""`, `"get"`, `"cart"`, `"shop"`, `"eu"`, `"c1"`, `"exception"`,
			`"lib"`, `"1"`, `"bad"`, `"n1"`, `"/a"`, `"cd00000000000101"`, `"own"`, `"ä b"`)
	case ids:
		return m.pick(`"cd00000000000101"`, `"0000000000000000"`, `"x"`, `"ab000000000000120000000000000011"`)
	case ints:
		return m.pick("1", "2", "3", "4", "6", "200", "404", "0", "-1")
	case floats:
		return m.pick("0.5", "1.0", "2.5", "404.0", ".5", "1e1", "-1.25")
	case bools:
		return m.pick("true", "false")
	case durations:
		return m.pick("5ms", "10ms", "1s", "1.01s", "2s", "1500us", "20ms", "10s", "0s")
	case statuses:
		return m.pick("ok", "error", "unset")
	case kinds:
		return m.pick("server", "client", "internal", "producer", "consumer", "unspecified")
	}
	return m.literal(sort(m.IntN(int(anything))))
}

func (m queryMaker) order() string { return m.pick(" = ", " != ", " < ", " <= ", " > ", " >= ") }

func (m queryMaker) equality() string { return m.pick(" = ", " != ", " = ") }

func (m queryMaker) compare(of sort) string {
	if of != ints && of != floats && of != durations {
		return m.equality()
	}
	return m.order()
}

func (m queryMaker) pattern() string {
	return m.pick(`"x|y"`, `"g.*"`, `".*"`, `"[a-z]+"`, `"4.."`, "`\\w+`", `"c.*|s.*"`, `""`, `"(?i)get"`, `".+t"`, `"GET.*"`)
}

// comparison is one condition of a span.
func (m queryMaker) comparison() string {
	a, of := m.attribute()
	switch m.IntN(14) {
	case 0:
		return a + " != nil"
	case 1, 2:
		return m.attributeOf(texts) + m.pick(" =~ ", " !~ ") + m.pattern()
	case 3:
		if of == ids {
			return a + m.equality() + m.literal(of)
		}
		if b := m.attributeOf(of); !strings.Contains(a+b, "http.") {
			return a + m.compare(of) + b
		}
	case 4:
		if m.joined {
			return a + m.compare(of) + m.literal(of)
		}
		return "(" + m.attributeOf(durations) + m.pick(" + ", " - ", " * ") + m.arithmetic(1) + ")" + m.order() + m.arithmetic(1)
	case 5:
		return m.literal(of) + m.equality() + a
	case 6:
		if of != durations { // a float has no unit
			return a + m.equality() + m.literal(anything)
		}
	}
	return a + m.compare(of) + m.literal(of)
}

// arithmetic is a number. Whole numbers are divided by what is not 0, and their
// powers are small: else a stock Tempo ends, or never does.
func (m queryMaker) arithmetic(depth int) string {
	if depth == 0 || m.one(3) {
		return m.pick(m.attributeOf(ints), m.attributeOf(floats), m.attributeOf(durations), m.literal(ints), m.literal(floats))
	}
	switch x := m.arithmetic(depth - 1); m.IntN(8) {
	case 0:
		return "(" + x + m.pick(" / ", " % ") + m.pick("2", "3", "2.5", "-2") + ")"
	case 1:
		return "(" + m.attributeOf(ints) + " ^ " + m.pick("2", "3") + ")"
	case 2:
		return "-(" + m.attributeOf(durations) + ")"
	default:
		return "(" + x + m.pick(" + ", " - ", " * ") + m.arithmetic(depth-1) + ")"
	}
}

func (m queryMaker) condition(depth int) string {
	switch {
	case depth == 0 || m.one(3):
		return m.comparison()
	case m.one(8) && !m.joined:
		m.joined = true
		for {
			if x := m.condition(depth - 1); !strings.Contains(x, "nil") {
				return "!(" + x + ")"
			}
		}
	case m.one(4): // without parentheses
		return m.condition(depth-1) + " && " + m.condition(depth-1)
	case m.one(3):
		m.joined = true
		return m.condition(depth-1) + " || " + m.condition(depth-1)
	default:
		return "(" + m.condition(depth-1) + " && " + m.condition(depth-1) + ")"
	}
}

func (m queryMaker) filter() string {
	if m.one(12) {
		return m.pick("{ }", "{ true }", "{ false }", "{}")
	}
	if m.one(8) && !m.joined {
		return "{ " + m.place() + " }"
	}
	return "{ " + m.condition(m.IntN(3)) + " }"
}

// place is about events, links and places in the tree, which a stock Tempo mixes up
// beside attributes without a scope.
func (m queryMaker) place() string {
	all := []string{
		m.pick("event.es", "event:name", "link.ls") + m.pick(m.equality(), " =~ ", " !~ ") + m.pick(`"x"`, `"xy"`, `"exception"`, `"log"`),
		"event.en" + m.order() + m.literal(ints),
		m.pick("nestedSetLeft", "nestedSetRight", "nestedSetParent") + m.order() + m.literal(ints),
		m.pick("span:id", "span:parentID", "trace:id", "link:spanID", "link:traceID") + m.equality() + m.literal(ids),
	}
	if x := all[m.IntN(len(all))]; m.one(2) {
		return x
	}
	i := m.IntN(len(all) - 1)
	return all[i] + " && " + m.pick(all[i+1], "kind != server", "span.n > 2")
}

// easy is a filter that many spans pass, so that what joins them has something.
func (m queryMaker) easy() string {
	return "{ " + m.pick("kind = server", "kind != client", "status = error", "status != ok", "name != `get`", "span.n > 2",
		"span.n < 4", ".s = `x`", "duration < 1s", "resource.service.name = `cart`", "true", m.condition(1)) + " }"
}

func (m queryMaker) spanset(depth int) string {
	m.joined = m.joined || depth > 0
	if depth == 0 || m.one(2) {
		if m.one(2) {
			return m.easy()
		}
		return m.filter()
	}
	op := m.pick(" && ", " || ", " && ", " || ", m.pick("", "!")+m.pick(">", ">>", "<", "<<", "~"), m.pick("&>", "&<", "&~"))
	x := m.spanset(depth-1) + " " + strings.TrimSpace(op) + " " + m.spanset(depth-1)
	if m.one(4) {
		return x
	}
	return "(" + x + ")"
}

func (m queryMaker) scalar() string {
	if m.one(3) {
		return "count()" + m.order() + fmt.Sprint(m.IntN(6))
	}
	fn := m.pick("sum", "avg", "min", "max")
	if m.one(3) {
		return fn + "(" + m.attributeOf(durations) + ")" + m.order() + m.literal(durations)
	}
	return fn + "(" + m.pick(m.attributeOf(ints), m.attributeOf(floats)) + ")" + m.order() + m.pick(m.literal(ints), m.literal(floats))
}

func (m queryMaker) stage() string {
	switch m.IntN(5) {
	case 0:
		return m.easy()
	case 1, 2:
		a, _ := m.attribute()
		b, of := m.attribute()
		return "by(" + m.pick(a, a, b+m.compare(of)+m.literal(of)) + ")"
	case 3:
		return "coalesce()"
	}
	return m.scalar()
}

// pipeline searches for spans.
func (m queryMaker) pipeline() string {
	if m.one(15) {
		return "(" + m.pipelineOf(1) + ")" + m.pick(" && ", " || ", " > ", " >> ", " ~ ") + "(" + m.pipelineOf(1) + ")"
	}
	return m.pipelineOf(m.IntN(4))
}

func (m queryMaker) pipelineOf(stages int) string {
	m.joined = m.joined || stages > 0
	all := []string{m.spanset(2 * m.IntN(2))}
	for range stages {
		all = append(all, m.stage())
	}
	if m.one(6) { // behind it a Tempo finds nothing
		a, _ := m.attribute()
		b, _ := m.attribute()
		all = append(all, m.pick("select("+a+")", "select("+a+", "+b+")"))
	}
	return strings.Join(all, " | ")
}

// metric computes series.
func (m queryMaker) metric() string {
	m.joined = true
	q := m.filter()
	if m.one(3) {
		q += " | " + m.scalar()
	}
	number := m.pick("duration", "duration", "traceDuration")
	// A Tempo forgets the values of what the query also compares.
	if strings.Contains(q, "uration") {
		number = "event:timeSinceStart"
	}
	q += " | " + m.pick("rate()", "count_over_time()", "count_over_time()", "sum_over_time("+number+")", "avg_over_time("+number+")",
		"min_over_time("+number+")", "max_over_time("+number+")", "quantile_over_time("+number+", .5, .9)",
		"quantile_over_time("+number+", 0, 1)", "histogram_over_time("+number+")")
	var by []string
	for _, a := range []string{
		m.pick("span.http.url", "resource.k8s.pod.name", "resource.n", "span.b"), m.pick("rootName", "instrumentation:name", "name"),
	} {
		if _, key, _ := strings.Cut(a, "."); m.one(2) && !strings.Contains(q, a) && (key == "" || !strings.Contains(q, "."+key)) {
			by = append(by, a)
		}
	}
	if len(by) > 0 {
		q += " by (" + strings.Join(by, ", ") + ")"
	}
	if m.one(8) {
		q += " | " + m.pick("topk", "bottomk") + "(1000)"
	}
	return q
}
