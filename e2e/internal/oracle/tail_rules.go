package oracle

import (
	"fmt"
	"strings"
)

// fact is what a rule asks of a trace. Each comes of a single span.
type fact uint8

const (
	failed fact = 1 << iota
	slow
	ping
	nothing fact = 0 // is asked: the rule matches always
)

// Rules are tail.rules of which the oracle knows what they do. No two of them
// have a name in common.
type Rules []tailRule

type tailRule struct {
	name string
	asks fact
	keep float64
}

// ErrorsFirst keeps what failed, what is slow, and a quarter of the rest without
// health checks.
func ErrorsFirst() Rules {
	return Rules{{"errors", failed, 1}, {"slow", slow, 1}, {"health", ping, 0}, {"rest", nothing, 0.25}}
}

// PingsFirst leaves out slow health checks as well, and keeps half of the rest.
func PingsFirst() Rules {
	return Rules{{"failed", failed, 1}, {"pings", ping, 0}, {"late", slow, 1}, {"others", nothing, 0.5}}
}

// String is the value of tail.rules.
func (rs Rules) String() string {
	when := map[fact]string{failed: `{ status = error }`, slow: `{ traceDuration > 2s }`, ping: `{ name = \"GET /ping\" }`}
	keep := map[float64]string{0: "none", 1: "all"}
	var list []string
	for _, r := range rs {
		text := "{name: " + r.name
		if r.asks != nothing {
			text += `, when: "` + when[r.asks] + `"`
		}
		share, ok := keep[r.keep]
		if !ok {
			share = fmt.Sprint(r.keep)
		}
		list = append(list, text+", keep: "+share+"}")
	}
	return "[" + strings.Join(list, ", ") + "]"
}

// decides is the first rule that matches a trace with these facts.
func (rs Rules) decides(facts fact) tailRule {
	for _, r := range rs {
		if r.asks == nothing || facts&r.asks != 0 {
			return r
		}
	}
	return tailRule{}
}

func (rs Rules) named(name string) (tailRule, bool) {
	for _, r := range rs {
		if r.name == name {
			return r, true
		}
	}
	return tailRule{}, false
}

// allRandomness is above the randomness of every trace id, its last 56 bits.
const allRandomness = 1 << 56

// threshold is the randomness below which a trace is left out.
func (r tailRule) threshold() uint64 { return uint64((1 - r.keep) * allRandomness) }
