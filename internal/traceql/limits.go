package traceql

// Bounds of a query, so that no text costs more than a moment to read.
const (
	// MaxQuery is how many bytes a query has at most. It is Tempo's limit.
	MaxQuery = 128 << 10
	// MaxTokens is how many words, signs and literals a query has at most: some
	// 1,250 comparisons. All of a batch's spans are asked about each.
	MaxTokens = 5000
	// MaxStages is how many stages a pipeline has at most. What each finds out
	// is kept for each trace.
	MaxStages = 100
	// MaxDepth is how deep parentheses and the signs ! and - nest at most.
	MaxDepth = 1000
	// MaxGroupBy is how many attributes the by() of a metrics query takes. It
	// is Tempo's limit.
	MaxGroupBy = 5
	// MaxQuantiles is how many quantiles a function takes: each makes a series
	// of each group.
	MaxQuantiles = 20
	// MaxRegexp is how many steps a regular expression has at most, with each
	// x{n} counted n times.
	MaxRegexp = 20000
)
