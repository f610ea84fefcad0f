package readapi

import (
	"appliance/internal/traceql"

	common "github.com/grafana/tempo/pkg/tempopb/common/v1"
)

// keyValues are attributes of a search's answer.
func keyValues(attrs []traceql.NamedValue) []*common.KeyValue {
	var out []*common.KeyValue
	for _, a := range attrs {
		kv := &common.KeyValue{Key: a.Name}
		if len(a.Value) == 1 {
			kv.Value = anyValue(a.Value[0])
		} else {
			array := &common.ArrayValue{}
			for _, v := range a.Value {
				array.Values = append(array.Values, anyValue(v))
			}
			kv.Value = &common.AnyValue{Value: &common.AnyValue_ArrayValue{ArrayValue: array}}
		}
		out = append(out, kv)
	}
	return out
}

// labelValues are the labels of a series.
func labelValues(labels []traceql.MetricLabel) []common.KeyValue {
	out := make([]common.KeyValue, len(labels))
	for i, l := range labels {
		out[i] = common.KeyValue{Key: l.Name, Value: anyValue(l.Value)}
	}
	return out
}

// anyValue keeps numbers and booleans and makes a string of all others.
func anyValue(v traceql.Value) *common.AnyValue {
	switch v.Type {
	case traceql.TypeInt:
		return &common.AnyValue{Value: &common.AnyValue_IntValue{IntValue: v.Num}}
	case traceql.TypeFloat:
		return &common.AnyValue{Value: &common.AnyValue_DoubleValue{DoubleValue: v.Float()}}
	case traceql.TypeBool:
		return &common.AnyValue{Value: &common.AnyValue_BoolValue{BoolValue: v.IsTrue()}}
	default:
		return &common.AnyValue{Value: &common.AnyValue_StringValue{StringValue: v.String()}}
	}
}
