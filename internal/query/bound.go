package query

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"

	"github.com/grafana/tempo/pkg/traceql"
)

const (
	// DefaultLimit is how many traces a search returns that asks for no number, as in Tempo.
	DefaultLimit = 20
	// MaxLimit is the largest number of traces a search may ask for. Tempo allocates by this number, unbounded.
	MaxLimit = 10_000
	// maxExemplars is what Tempo itself caps the exemplars parameter at; its query hint of that name has no cap.
	maxExemplars = 100
	// maxQuery is the longest TraceQL query, in bytes: the time to parse one grows with its square.
	maxQuery = 8 << 10
)

// checkQueries refuses requests with a query that is too long.
func checkQueries(q url.Values) error {
	for _, name := range queryNames {
		for _, text := range q[name] {
			if err := checkQuery(text); err != nil {
				return err
			}
		}
	}
	return nil
}

func checkQuery(text string) error {
	if len(text) > maxQuery {
		return fmt.Errorf("the query has %d bytes, and %d is the limit", len(text), maxQuery)
	}
	return nil
}

// queryNames are the parameters that may have a query.
var queryNames = [...]string{"q", "query"}

// bound caps the parameters of a request with which a client could exhaust Tempo's memory. It reads numbers as Tempo does:
// with Atoi, which takes a sign, and into 32 bits without one, so that exemplars=-1 are 4294967295. Tempo refuses other
// negative numbers.
func bound(q url.Values) url.Values {
	for name, most := range map[string]int{"limit": MaxLimit, "exemplars": maxExemplars} {
		n, err := strconv.Atoi(q.Get(name))
		if err != nil && !errors.Is(err, strconv.ErrRange) {
			continue
		}
		if n > most || n < 0 && name == "exemplars" {
			q.Set(name, strconv.Itoa(most))
		}
	}
	for _, name := range queryNames {
		if text := q.Get(name); text != "" {
			q.Set(name, boundQuery(text))
		}
	}
	return q
}

// boundQuery removes the exemplars hint from a TraceQL query. What does not parse goes on as it is: Tempo refuses it.
func boundQuery(text string) string {
	expr, err := traceql.Parse(text)
	if err != nil || expr.Hints == nil {
		return text
	}
	hints := slices.DeleteFunc(slices.Clone(expr.Hints.Hints), func(h *traceql.Hint) bool { return h.Name == traceql.HintExemplars })
	if len(hints) == len(expr.Hints.Hints) {
		return text
	}
	expr.Hints = nil
	if len(hints) > 0 {
		expr.Hints = &traceql.Hints{Hints: hints}
	}
	return expr.String()
}
