package traceql

import (
	"encoding/hex"
	"math"
	"strconv"
	"strings"
)

// Answers in the JSON form of Tempo's API.

func jsonValue(v Value) object {
	switch v.Type {
	case TypeInt:
		return object{"intValue": strconv.FormatInt(v.Num, 10)}
	case TypeFloat:
		return object{"doubleValue": jsonFloat(v.Float())}
	case TypeBool:
		return object{"boolValue": v.Num != 0}
	default:
		return object{"stringValue": v.String()}
	}
}

func jsonFloat(f float64) any {
	switch {
	case math.IsNaN(f):
		return "NaN"
	case math.IsInf(f, 1):
		return "Infinity"
	case math.IsInf(f, -1):
		return "-Infinity"
	}
	return f
}

func jsonAttributes(attrs []NamedValue) []any {
	var out []any
	for _, a := range attrs {
		var value object
		if len(a.Value) == 1 {
			value = jsonValue(a.Value[0])
		} else {
			var values []any
			for _, v := range a.Value {
				values = append(values, any(jsonValue(v)))
			}
			value = object{"arrayValue": object{"values": values}}
		}
		out = append(out, object{"key": a.Name, "value": value})
	}
	return out
}

func jsonTrace(t *FoundTrace) object {
	o := object{
		"traceID":           strings.TrimLeft(hex.EncodeToString(t.ID[:]), "0"),
		"rootServiceName":   t.RootService,
		"startTimeUnixNano": strconv.FormatUint(t.Start, 10),
		"spanSet":           "in spanSets",
	}
	if t.RootService == "" {
		o["rootServiceName"] = "<root span not yet received>"
	}
	if t.RootName != "" {
		o["rootTraceName"] = t.RootName
	}
	if ms := uint32(uint64(t.Duration) / 1e6); ms > 0 {
		o["durationMs"] = float64(ms)
	}
	stats := object{}
	for _, s := range t.Services {
		one := object{"spanCount": float64(s.Spans)}
		if s.Errors > 0 {
			one["errorCount"] = float64(s.Errors)
		}
		stats[s.Name] = one
	}
	o["serviceStats"] = stats
	var sets []any
	for _, set := range t.SpanSets {
		one := object{"matched": float64(set.Matched)}
		if len(set.Attributes) > 0 {
			one["attributes"] = jsonAttributes(set.Attributes)
		}
		var spans []any
		for _, s := range set.Spans {
			spans = append(spans, jsonSpan(s))
		}
		one["spans"] = spans
		sets = append(sets, one)
	}
	o["spanSets"] = sets
	return o
}

func jsonSpan(s FoundSpan) object {
	o := object{
		"spanID":            hex.EncodeToString(s.ID[:]),
		"startTimeUnixNano": strconv.FormatUint(s.Start, 10),
	}
	if s.Duration > 0 {
		o["durationNanos"] = strconv.FormatUint(s.Duration, 10)
	}
	if s.Name != "" {
		o["name"] = s.Name
	}
	if len(s.Attributes) > 0 {
		o["attributes"] = jsonAttributes(s.Attributes)
	}
	return o
}

func jsonSeries(s MetricSeries, instant bool) object {
	var labels []any
	for _, l := range s.Labels {
		v := l.Value
		if v.Type == TypeNil {
			v = StringValue("nil")
		}
		labels = append(labels, object{"key": l.Name, "value": jsonValue(v)})
	}
	sortedBy(labels, encoded)
	o := object{"labels": labels, "promLabels": s.PromLabels()}
	if instant {
		if v := s.Samples[0].Value; v != 0 {
			o["value"] = jsonFloat(v)
		}
		return o
	}
	samples := []any{}
	for _, x := range s.Samples {
		one := object{"timestampMs": strconv.FormatInt(x.Time, 10)}
		if x.Value != 0 {
			one["value"] = jsonFloat(x.Value)
		}
		samples = append(samples, one)
	}
	o["samples"] = samples
	return o
}
