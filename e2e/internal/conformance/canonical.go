package conformance

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// streamed marks the body of a search over gRPC: its traces come as they are
// found, so that their order says nothing.
const streamed = "_streamed"

// canonical gives a body the form that equal answers share.
func canonical(r *Request, body any) any {
	o, ok := body.(object)
	if !ok {
		return body
	}
	delete(o, "metrics") // bytes, jobs and blocks
	switch r.endpoint() {
	case traceV1, traceV2:
		canonicalTrace(o)
	case search:
		canonicalSearch(o)
	case tags, values:
		for _, field := range []string{"tagNames", "tagValues", "scopes"} {
			sortList(o[field])
		}
		for _, s := range list(o["scopes"]) {
			sortList(s.(object)["tags"])
		}
	case metrics:
		canonicalMetrics(o, strings.HasSuffix(r.Category, "exemplars"))
	}
	return rounded(o)
}

// canonicalTrace orders a whole trace and leaves empty messages out.
func canonicalTrace(o object) {
	if inner, ok := o["trace"].(object); ok {
		o = inner
	}
	if batches, ok := o["batches"]; ok { // the first version of the API calls them so
		delete(o, "batches")
		o["resourceSpans"] = batches
	}
	for _, rs := range list(o["resourceSpans"]) {
		rs := rs.(object)
		sortAttributes(rs, "resource")
		for _, ss := range list(rs["scopeSpans"]) {
			ss := ss.(object)
			sortAttributes(ss, "scope")
			for _, span := range list(ss["spans"]) {
				span := span.(object)
				sortList(span["attributes"])
				for _, part := range slices.Concat(list(span["events"]), list(span["links"])) {
					sortList(part.(object)["attributes"])
				}
				if status, ok := span["status"].(object); ok && len(status) == 0 {
					delete(span, "status")
				}
			}
			sortBy(ss["spans"], func(v any) string {
				return nanos(v, "startTimeUnixNano") + text(v, "spanId") + text(v, "kind") + encode(v)
			})
		}
		sortList(rs["scopeSpans"])
	}
	sortList(o["resourceSpans"])
}

// sortAttributes sorts those of a message below o, and removes it where it is
// empty.
func sortAttributes(o object, field string) {
	m, ok := o[field].(object)
	if !ok {
		return
	}
	sortList(m["attributes"])
	if len(m) == 0 {
		delete(o, field)
	}
}

// canonicalSearch sorts what was found, and says whether it came sorted.
func canonicalSearch(o object) {
	traces := list(o["traces"])
	start := func(v any) string { return nanos(v, "startTimeUnixNano") }
	newestFirst := slices.IsSortedFunc(traces, func(a, b any) int {
		return strings.Compare(start(b), start(a))
	})
	if _, unordered := o[streamed]; len(traces) > 1 && !unordered {
		o["_order"] = "none"
		if newestFirst {
			o["_order"] = "by start, newest first"
		}
	}
	delete(o, streamed)
	for _, t := range traces {
		t := t.(object)
		sets := list(t["spanSets"])
		for _, set := range append(slices.Clone(sets), t["spanSet"]) {
			set, ok := set.(object)
			if !ok {
				continue
			}
			sortList(set["attributes"])
			for _, span := range list(set["spans"]) {
				sortList(span.(object)["attributes"])
			}
			sortBy(set["spans"], func(v any) string {
				return start(v) + text(v, "spanID") + encode(v)
			})
		}
		sortList(t["spanSets"])
		one, ok := t["spanSet"] // the deprecated copy of one of them
		if ok && slices.ContainsFunc(sets, func(s any) bool { return encode(s) == encode(one) }) {
			t["spanSet"] = "in spanSets"
		}
	}
	slices.SortStableFunc(traces, func(a, b any) int {
		if c := strings.Compare(start(b), start(a)); c != 0 {
			return c
		}
		return strings.Compare(text(a, "traceID"), text(b, "traceID"))
	})
}

// canonicalMetrics sorts series. Exemplars are chosen by chance.
func canonicalMetrics(o object, exemplars bool) {
	some := false
	for _, s := range list(o["series"]) {
		s := s.(object)
		sortList(s["labels"])
		some = some || len(list(s["exemplars"])) > 0
		delete(s, "exemplars")
	}
	sortList(o["series"])
	if exemplars {
		o["hasExemplars"] = some
	}
}

// rounded takes floats to ten digits: sums of them depend on the order of their
// terms.
func rounded(v any) any {
	switch v := v.(type) {
	case object:
		for k, e := range v {
			v[k] = rounded(e)
		}
	case []any:
		for i, e := range v {
			v[i] = rounded(e)
		}
	case json.Number:
		if f, err := v.Float64(); err == nil {
			return rounded(f)
		}
	case float64:
		if v == math.Trunc(v) && math.Abs(v) < 1e15 {
			return v
		}
		if f, err := strconv.ParseFloat(strconv.FormatFloat(v, 'g', 10, 64), 64); err == nil {
			return f
		}
	}
	return v
}

// encode writes a value as JSON. The keys of an object are sorted.
func encode(v any) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return err.Error()
	}
	return strings.TrimSpace(b.String())
}

func list(v any) []any { l, _ := v.([]any); return l }

// text is a field of an object, or "".
func text(v any, field string) string {
	o, _ := v.(object)
	if o == nil || o[field] == nil {
		return ""
	}
	return fmt.Sprint(o[field])
}

// nanos is a time, so that texts are in its order.
func nanos(v any, field string) string { return fmt.Sprintf("%020s", text(v, field)) }

func sortList(v any) { sortBy(v, encode) }

func sortBy(v any, key func(any) string) {
	type keyed struct {
		key   string
		value any
	}
	l := list(v)
	all := make([]keyed, len(l))
	for i, e := range l {
		all[i] = keyed{key(e), e}
	}
	slices.SortStableFunc(all, func(a, b keyed) int { return strings.Compare(a.key, b.key) })
	for i := range all {
		l[i] = all[i].value
	}
}
