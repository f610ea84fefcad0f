// Package querytest makes random queries, for tests that compare two evaluations.
package querytest

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// Maker makes random queries by the grammar. Some of them are refused by the
// checks.
type Maker struct{ *rand.Rand }

// Pick is one of the choices.
func (m Maker) Pick(choices ...string) string { return choices[m.IntN(len(choices))] }

// Attribute is an attribute or an intrinsic.
func (m Maker) Attribute() string {
	if m.IntN(3) == 0 {
		return m.Pick("name", "duration", "status", "kind", "statusMessage", "span:id", "span:parentID",
			"nestedSetLeft", "nestedSetParent", "traceDuration", "rootName", "rootServiceName", "trace:id",
			"event:name", "event:timeSinceStart", "link:spanID", "instrumentation:name", "span:childCount",
			"instrumentation:version", "nestedSetRight")
	}
	return m.Pick("span.", "span.", "resource.", ".", "event.", "link.", "instrumentation.") +
		m.Pick("a", "b", "c", "http.method", "http.status_code", "service.name")
}

func (m Maker) literal() string {
	return m.Pick("0", "1", "2", "3", "-1", "404", "0.5", "2.0", "404.0", `""`, `"x"`, `"y"`, `"GET"`, `"404"`,
		`"s1"`, `"get"`, `"e1"`, `"lib"`, `"bad"`, "true", "false", "5ms", "20ms", "0s", "error", "ok", "unset",
		"server", "client", `"ab00000000000001"`, `"0000000000000000"`)
}

func (m Maker) comparison() string {
	switch m.IntN(12) {
	case 0:
		return m.Attribute() + " != nil"
	case 1:
		return m.Attribute() + " = nil"
	case 2:
		return m.Attribute() + m.Pick(" =~ ", " !~ ") + m.Pick(`"x|y"`, `"g.*"`, `".*"`, `"[a-z]1"`, `"4.."`)
	case 3:
		return m.Attribute() + m.op() + m.Attribute()
	case 4:
		return m.number(2) + m.op() + m.number(2)
	case 5:
		return m.literal() + m.op() + m.Attribute()
	case 6:
		return m.Attribute()
	default:
		return m.Attribute() + m.op() + m.literal()
	}
}

func (m Maker) op() string { return m.Pick(" = ", " != ", " < ", " <= ", " > ", " >= ") }

func (m Maker) number(depth int) string {
	if depth == 0 || m.IntN(2) == 0 {
		return m.Pick(m.Attribute(), m.Pick("1", "2", "0.5", "5ms"))
	}
	return "(" + m.number(depth-1) + m.Pick(" + ", " - ", " * ", " / ", " % ", " ^ ") + m.number(depth-1) + ")"
}

func (m Maker) condition(depth int) string {
	switch {
	case depth == 0 || m.IntN(3) == 0:
		return m.comparison()
	case m.IntN(5) == 0:
		return "!(" + m.condition(depth-1) + ")"
	default:
		return "(" + m.condition(depth-1) + m.Pick(" && ", " && ", " || ") + m.condition(depth-1) + ")"
	}
}

// Filter is one in braces.
func (m Maker) Filter() string {
	switch m.IntN(10) {
	case 0:
		return "{ }"
	case 1:
		return "{ event:name" + m.Pick(" = ", " != ") + m.Pick(`"e1"`, `"e2"`) + " && event." + m.Pick("a", "b", "c") +
			m.op() + m.literal() + " }"
	}
	return "{ " + m.condition(2) + " }"
}

func (m Maker) spanset(depth int) string {
	if depth == 0 || m.IntN(2) == 0 {
		return m.Filter()
	}
	return "(" + m.spanset(depth-1) + m.Pick(" && ", " || ", " > ", " >> ", " < ", " << ", " ~ ", " !> ", " !>> ",
		" !< ", " !<< ", " !~ ", " &> ", " &>> ", " &< ", " &<< ", " &~ ") + m.spanset(depth-1) + ")"
}

func (m Maker) stage() string {
	switch m.IntN(6) {
	case 0:
		return m.Filter()
	case 1:
		return "by(" + m.Pick(m.Attribute(), m.number(1), m.comparison()) + ")"
	case 2:
		return "coalesce()"
	case 3:
		return "select(" + m.Attribute() + ")"
	case 4:
		return "count()" + m.op() + fmt.Sprint(m.IntN(5))
	default:
		return m.Pick("sum", "avg", "min", "max") + "(" + m.number(1) + ")" + m.op() + m.Pick("0", "1", "2.5", "10ms")
	}
}

// Query is a query that searches for spans.
func (m Maker) Query() string {
	stages := []string{m.spanset(2)}
	if m.IntN(10) == 0 {
		stages = nil
	}
	for range m.IntN(3) {
		stages = append(stages, m.stage())
	}
	return strings.Join(stages, " | ")
}
