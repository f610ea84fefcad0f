package query

import (
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
)

// bound caps the parameters of a request with which a client could exhaust Tempo's memory.
func bound(q url.Values) url.Values {
	for name, most := range map[string]uint64{"limit": MaxLimit, "exemplars": maxExemplars} {
		if text := q.Get(name); text != "" {
			if n, err := strconv.ParseUint(text, 10, 64); err == nil && n > most || isRange(err) {
				q.Set(name, strconv.FormatUint(most, 10))
			}
		}
	}
	for _, name := range []string{"q", "query"} {
		if text := q.Get(name); text != "" {
			q.Set(name, boundQuery(text))
		}
	}
	return q
}

func isRange(err error) bool {
	num, ok := err.(*strconv.NumError)
	return ok && num.Err == strconv.ErrRange
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
