package remotewrite

import (
	"cmp"
	"slices"

	"appliance/internal/telemetry"
)

// layout is the labels of a series in the order of their names, which the
// protocol asks for.
type layout []field

// field is a label. Its value is the same in all series, or one of a sample's.
type field struct {
	name  string
	value string
	from  int // in the values of a sample; or one of those below
}

const (
	constant  = -1
	upperEdge = -2 // the label le of a bucket
)

// newLayout is that of series called name with the labels of a family and those
// of the sender.
func newLayout(name string, labels []string, bucket bool, sender map[string]string) layout {
	l := layout{{"__name__", name, constant}}
	if bucket {
		l = append(l, field{"le", "", upperEdge})
	}
	for i, label := range labels {
		l = append(l, field{label, "", i})
	}
	for label, value := range sender {
		l = append(l, field{label, value, constant})
	}
	slices.SortFunc(l, func(a, b field) int { return cmp.Compare(a.name, b.name) })
	return l
}

// family is a family of metrics with the layouts of its series.
type family struct {
	telemetry.Metric
	plain, bucket, sum, count layout
}

func newFamily(m telemetry.Metric, sender map[string]string) family {
	if m.ReadHistograms == nil {
		return family{Metric: m, plain: newLayout(m.Name, m.Labels, false, sender)}
	}
	return family{
		Metric: m,
		bucket: newLayout(m.Name+"_bucket", m.Labels, true, sender),
		sum:    newLayout(m.Name+"_sum", m.Labels, false, sender),
		count:  newLayout(m.Name+"_count", m.Labels, false, sender),
	}
}
