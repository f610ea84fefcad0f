package readapi

import (
	"errors"
	"math"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/grafana/tempo/pkg/tempopb"
	"github.com/prometheus/common/model"
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
	return 0, badRequest("invalid %s: %.40q is not a time; use Unix seconds, Unix nanoseconds or RFC 3339",
		name, text)
}

// duration reads seconds (30, 0.5), or Go's or Prometheus' form (1m30s, 1d).
func duration(text string) (time.Duration, error) {
	if f, err := strconv.ParseFloat(text, 64); err == nil {
		if ns := f * 1e9; math.Abs(ns) < math.MaxInt64 {
			return time.Duration(ns), nil
		}
		return 0, errors.New("cannot parse " + strconv.Quote(text) +
			" to a valid duration. It overflows int64")
	}
	if d, err := time.ParseDuration(text); err == nil {
		return d, nil
	}
	d, err := model.ParseDuration(text)
	if err != nil {
		return 0, errors.New("cannot parse " + strconv.Quote(text[:min(len(text), 40)]) +
			" to a valid duration")
	}
	return time.Duration(d), nil
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

// seriesWanted reads how many series a request asks for. 0: no number.
func seriesWanted(q url.Values) int { return bound(q, "maxSeries") }

// promLabels prints labels as Prometheus would, but for names that it does not
// allow, which are quoted.
func promLabels(labels []Label) string {
	var b strings.Builder
	b.WriteByte('{')
	for i, l := range labels {
		if i > 0 {
			b.WriteString(", ")
		}
		if isPrometheusName(l.Name) {
			b.WriteString(l.Name)
		} else {
			b.WriteString(strconv.Quote(l.Name))
		}
		value := l.Value.String()
		switch {
		case value == "nil":
			value = "<nil>"
		case value == "":
			value = "<empty>"
		}
		b.WriteByte('=')
		b.WriteString(strconv.Quote(value))
	}
	b.WriteByte('}')
	return b.String()
}

func isPrometheusName(s string) bool {
	for i, r := range s {
		if r != '_' && !(r >= 'a' && r <= 'z') && !(r >= 'A' && r <= 'Z') && !(i > 0 && r >= '0' && r <= '9') {
			return false
		}
	}
	return s != ""
}
