package readapi

import (
	"fmt"
	"math"
	"net/url"
	"strconv"
	"time"

	"appliance/internal/traceql"

	"github.com/grafana/tempo/pkg/tempopb"
)

// maxExemplars is how many exemplars are answered at most, as in Tempo. It is
// also what a request gets that asks for no number.
const maxExemplars = 100

// parseMetrics reads the parameters of a metrics query. What is missing is 0.
func parseMetrics(q url.Values, now time.Time) (*tempopb.QueryRangeRequest, error) {
	req := &tempopb.QueryRangeRequest{Query: q.Get("q"), Exemplars: maxExemplars}
	if req.Query == "" {
		req.Query = q.Get("query")
	}
	if n, err := strconv.Atoi(q.Get("exemplars")); err == nil && n > 0 {
		req.Exemplars = uint32(min(n, maxExemplars))
	}
	end, err := nanoseconds(q, "end", now.UnixNano())
	if err != nil {
		return nil, err
	}
	since := time.Hour
	if text := q.Get("since"); text != "" {
		if since, err = duration(text); err != nil {
			return nil, badRequest("invalid since: %v", err)
		}
	}
	start, err := nanoseconds(q, "start", end-int64(since))
	if err != nil {
		return nil, err
	}
	req.Start, req.End = uint64(start), uint64(end)
	req.Step = uint64(defaultStep(end - start))
	if text := q.Get("step"); text != "" {
		step, err := duration(text)
		if err != nil {
			return nil, badRequest("invalid step: %v", err)
		}
		if step <= 0 {
			return nil, badRequest("step required")
		}
		req.Step = uint64(step)
	}
	return req, nil
}

// nanoseconds reads a time: Unix seconds, whole or not, Unix nanoseconds, which
// have more than ten digits, or RFC 3339.
func nanoseconds(q url.Values, name string, otherwise int64) (int64, error) {
	text := q.Get(name)
	if text == "" {
		return otherwise, nil
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil && n >= 0 {
		if len(text) > 10 {
			return n, nil
		}
		return n * int64(time.Second), nil
	}
	if f, err := strconv.ParseFloat(text, 64); err == nil && f >= 0 && f < math.MaxInt64/1e9 {
		whole, part := math.Modf(f)
		return int64(whole)*int64(time.Second) + int64(part*1e9), nil
	}
	if t, err := time.Parse(time.RFC3339Nano, text); err == nil {
		return t.UnixNano(), nil
	}
	return 0, badRequest("invalid %s: %.40q is not a time; use Unix seconds, "+
		"Unix nanoseconds or RFC 3339", name, text)
}

// duration reads seconds (30, 0.5), or Go's or Prometheus' form (1m30s, 1d).
func duration(text string) (time.Duration, error) {
	if f, err := strconv.ParseFloat(text, 64); err == nil {
		if ns := f * 1e9; math.Abs(ns) < math.MaxInt64 {
			return time.Duration(ns), nil
		}
		return 0, fmt.Errorf("cannot parse %.40q to a valid duration. It overflows int64", text)
	}
	d, err := traceql.ParseDuration(text)
	if err != nil {
		return 0, fmt.Errorf("cannot parse %.40q to a valid duration", text)
	}
	return d, nil
}

// defaultStep makes about 240 steps of the range: a whole number of seconds,
// and of five seconds from there on, as Tempo does.
func defaultStep(length int64) time.Duration {
	step := time.Duration(length) / 240
	if step >= 5*time.Second {
		return step.Truncate(5 * time.Second)
	}
	return max(step.Truncate(time.Second), time.Second)
}

// maxSeries is how many series are answered at most.
const maxSeries = 10_000

// seriesWanted reads how many series a request asks for. 0: no number.
func seriesWanted(q url.Values) int { return min(bound(q, "maxSeries"), maxSeries) }
