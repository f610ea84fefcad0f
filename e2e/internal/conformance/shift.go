package conformance

import (
	"fmt"
	"maps"
	"regexp"
	"strconv"
	"strings"
	"time"

	trace "go.opentelemetry.io/proto/otlp/trace/v1"
)

// shifted moves the times of a request by seconds.
func (r *Request) shifted(by int64) Request {
	moved := *r
	if by == 0 {
		return moved
	}
	moved.Query = append([][2]string(nil), r.Query...)
	for i, kv := range moved.Query {
		if isTime(kv[0]) {
			moved.Query[i][1] = shiftedTime(kv[1], by)
		}
	}
	moved.Message = maps.Clone(r.Message)
	for name, v := range moved.Message {
		if text, ok := v.(string); ok && isTime(name) {
			moved.Message[name] = shiftedTime(text, by)
		}
	}
	return moved
}

func isTime(name string) bool { return name == "start" || name == "end" }

// shiftedTime moves a time of a request: RFC 3339, or Unix in seconds with or
// without a fraction, or in nanoseconds. What is none of them stays.
func shiftedTime(text string, by int64) string {
	if t, err := time.Parse(time.RFC3339Nano, text); err == nil {
		return t.Add(time.Duration(by) * time.Second).Format(time.RFC3339Nano)
	}
	whole, fraction, dot := strings.Cut(text, ".")
	n, err := strconv.ParseInt(whole, 10, 64)
	if err != nil || n < 1e9 {
		return text
	}
	if n > 1e17 {
		by *= 1e9
	}
	text = strconv.FormatInt(n+by, 10)
	if dot {
		text += "." + fraction
	}
	return text
}

// unitsOf says how many of a field's units are a second.
func unitsOf(field string) int64 {
	switch field {
	case "startTimeUnixNano", "endTimeUnixNano", "timeUnixNano":
		return 1e9
	case "timestampMs":
		return 1e3
	}
	return 0
}

// shiftedAnswer moves every time in an answer.
func shiftedAnswer(v any, by int64) any {
	switch v := v.(type) {
	case object:
		for k, e := range v {
			units := unitsOf(k)
			if units == 0 {
				v[k] = shiftedAnswer(e, by)
			} else if n, err := strconv.ParseInt(fmt.Sprint(e), 10, 64); err == nil && n > 0 {
				v[k] = strconv.FormatInt(n+by*units, 10)
			}
		}
	case []any:
		for i, e := range v {
			if _, text := e.(string); !text {
				v[i] = shiftedAnswer(e, by)
			}
		}
	}
	return v
}

// shiftedText moves every time in a text, such as the words of an error.
func shiftedText(text string, by int64) string {
	return timesInText.ReplaceAllStringFunc(
		text, func(t string) string { return shiftedTime(t, by) },
	)
}

// timesInText are seconds and nanoseconds of our days.
var timesInText = regexp.MustCompile(`\b1[789][0-9]{8}([0-9]{9})?\b`)

// shiftSpans moves the times of spans and events by seconds.
func shiftSpans(data *trace.TracesData, by int64) {
	nanos := uint64(by * 1e9)
	for _, rs := range data.GetResourceSpans() {
		for _, ss := range rs.ScopeSpans {
			for _, span := range ss.Spans {
				span.StartTimeUnixNano += nanos
				span.EndTimeUnixNano += nanos
				for _, e := range span.Events {
					e.TimeUnixNano += nanos
				}
			}
		}
	}
}
