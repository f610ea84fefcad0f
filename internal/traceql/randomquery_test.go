package traceql

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// queryMaker makes random queries by the grammar. Some of them are refused by
// the checks.
type queryMaker struct{ *rand.Rand }

func (m queryMaker) pick(choices ...string) string { return choices[m.IntN(len(choices))] }

func (m queryMaker) attribute() string {
	if m.IntN(3) == 0 {
		return m.pick("name", "duration", "status", "kind", "statusMessage", "span:id", "span:parentID",
			"nestedSetLeft", "nestedSetParent", "traceDuration", "rootName", "rootServiceName", "trace:id",
			"event:name", "event:timeSinceStart", "link:spanID", "instrumentation:name", "span:childCount",
			"instrumentation:version", "nestedSetRight")
	}
	return m.pick("span.", "span.", "resource.", ".", "event.", "link.", "instrumentation.") +
		m.pick("a", "b", "c", "http.method", "http.status_code", "service.name")
}

func (m queryMaker) literal() string {
	return m.pick("0", "1", "2", "3", "-1", "404", "0.5", "2.0", "404.0", `""`, `"x"`, `"y"`, `"GET"`, `"404"`,
		`"s1"`, `"get"`, `"e1"`, `"lib"`, `"bad"`, "true", "false", "5ms", "20ms", "0s", "error", "ok", "unset",
		"server", "client", `"ab00000000000001"`, `"0000000000000000"`)
}

func (m queryMaker) comparison() string {
	switch m.IntN(12) {
	case 0:
		return m.attribute() + " != nil"
	case 1:
		return m.attribute() + " = nil"
	case 2:
		return m.attribute() + m.pick(" =~ ", " !~ ") + m.pick(`"x|y"`, `"g.*"`, `".*"`, `"[a-z]1"`, `"4.."`)
	case 3:
		return m.attribute() + m.op() + m.attribute()
	case 4:
		return m.number(2) + m.op() + m.number(2)
	case 5:
		return m.literal() + m.op() + m.attribute()
	case 6:
		return m.attribute()
	default:
		return m.attribute() + m.op() + m.literal()
	}
}

func (m queryMaker) op() string { return m.pick(" = ", " != ", " < ", " <= ", " > ", " >= ") }

func (m queryMaker) number(depth int) string {
	if depth == 0 || m.IntN(2) == 0 {
		return m.pick(m.attribute(), m.pick("1", "2", "0.5", "5ms"))
	}
	return "(" + m.number(depth-1) + m.pick(" + ", " - ", " * ", " / ", " % ", " ^ ") + m.number(depth-1) + ")"
}

func (m queryMaker) condition(depth int) string {
	switch {
	case depth == 0 || m.IntN(3) == 0:
		return m.comparison()
	case m.IntN(5) == 0:
		return "!(" + m.condition(depth-1) + ")"
	default:
		return "(" + m.condition(depth-1) + m.pick(" && ", " && ", " || ") + m.condition(depth-1) + ")"
	}
}

func (m queryMaker) filter() string {
	switch m.IntN(10) {
	case 0:
		return "{ }"
	case 1:
		return "{ event:name" + m.pick(" = ", " != ") + m.pick(`"e1"`, `"e2"`) + " && event." + m.pick("a", "b", "c") +
			m.op() + m.literal() + " }"
	}
	return "{ " + m.condition(2) + " }"
}

func (m queryMaker) spanset(depth int) string {
	if depth == 0 || m.IntN(2) == 0 {
		return m.filter()
	}
	return "(" + m.spanset(depth-1) + m.pick(" && ", " || ", " > ", " >> ", " < ", " << ", " ~ ", " !> ", " !>> ",
		" !< ", " !<< ", " !~ ", " &> ", " &>> ", " &< ", " &<< ", " &~ ") + m.spanset(depth-1) + ")"
}

func (m queryMaker) stage() string {
	switch m.IntN(6) {
	case 0:
		return m.filter()
	case 1:
		return "by(" + m.pick(m.attribute(), m.number(1), m.comparison()) + ")"
	case 2:
		return "coalesce()"
	case 3:
		return "select(" + m.attribute() + ")"
	case 4:
		return "count()" + m.op() + fmt.Sprint(m.IntN(5))
	default:
		return m.pick("sum", "avg", "min", "max") + "(" + m.number(1) + ")" + m.op() + m.pick("0", "1", "2.5", "10ms")
	}
}

func (m queryMaker) query() string {
	stages := []string{m.spanset(2)}
	if m.IntN(10) == 0 {
		stages = nil
	}
	for range m.IntN(3) {
		stages = append(stages, m.stage())
	}
	return strings.Join(stages, " | ")
}
