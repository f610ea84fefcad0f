package readapi

import (
	"github.com/grafana/tempo/pkg/tempopb"
	common "github.com/grafana/tempo/pkg/tempopb/common/v1"
)

// timeSeries writes a series. There may be a million samples in an answer, for
// which protobuf's own writer takes half a minute.
func (w *jsonWriter) timeSeries(s *tempopb.TimeSeries) {
	w.open('{')
	w.labels(s.Labels)
	list(w, "samples", s.Samples, func(x *tempopb.Sample) {
		w.int64("timestampMs", x.TimestampMs)
		w.number("value", x.Value)
	})
	w.string("promLabels", s.PromLabels)
	list(w, "exemplars", s.Exemplars, func(x *tempopb.Exemplar) {
		w.labels(x.Labels)
		w.number("value", x.Value)
		w.int64("timestampMs", x.TimestampMs)
	})
	w.close('}')
}

func (w *jsonWriter) labels(labels []common.KeyValue) {
	list(w, "labels", labels, w.keyValue)
}

func (w *jsonWriter) number(name string, f float64) {
	if f != 0 {
		w.key(name)
		w.float(f)
	}
}

// list writes a list of messages that is not nil.
func list[T any](w *jsonWriter, name string, items []T, write func(*T)) {
	if items == nil {
		return
	}
	w.key(name)
	w.open('[')
	for i := range items {
		if i > 0 {
			w.b = append(w.b, ',')
		}
		w.open('{')
		write(&items[i])
		w.close('}')
	}
	w.close(']')
}
