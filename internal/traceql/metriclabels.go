package traceql

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// MetricLabel is a label of a series. A nil value says that spans have none; it
// stands only where a series would have no label otherwise.
type MetricLabel struct {
	Name  string
	Value Value
}

// Names of labels that are not attributes.
const (
	labelName     = "__name__"
	labelBucket   = "__bucket"
	labelMeta     = "__meta_type"
	labelQuantile = "p"
)

// PromLabels is the labels in the form of Prometheus: {a="b", "c.d"="e"}.
func (s *MetricSeries) PromLabels() string { return promLabels(s.Labels) }

func promLabels(labels []MetricLabel) string {
	sorted := slices.Clone(labels)
	slices.SortFunc(sorted, func(a, b MetricLabel) int { return cmp.Compare(a.Name, b.Name) })
	var b strings.Builder
	b.WriteByte('{')
	for i, l := range sorted {
		if i > 0 {
			b.WriteString(", ")
		}
		if plainName(l.Name) {
			b.WriteString(l.Name)
		} else {
			b.WriteString(strconv.Quote(l.Name))
		}
		b.WriteByte('=')
		b.WriteString(strconv.Quote(labelText(l.Value)))
	}
	b.WriteByte('}')
	return b.String()
}

// plainName says whether Prometheus writes the name of a label without quotes.
func plainName(name string) bool {
	for i, c := range name {
		letter := c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return name != ""
}

func labelText(v Value) string {
	switch {
	case v.Type == TypeNil:
		return "<nil>"
	case v.Type == TypeString && v.Str == "":
		return "<empty>"
	case v.Type == TypeFloat:
		return floatText(v.Float())
	default:
		return v.String()
	}
}

// floatText always shows that a number is a float.
func floatText(f float64) string {
	s := strconv.FormatFloat(f, 'g', -1, 64)
	if !strings.ContainsAny(s, ".e") {
		s += ".0"
	}
	return s
}

// present are the labels that have a value.
func present(labels []MetricLabel) []MetricLabel {
	return slices.DeleteFunc(slices.Clone(labels), func(l MetricLabel) bool { return l.Value.Type == TypeNil })
}
