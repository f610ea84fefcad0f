package remotewrite

import (
	"maps"
	"math"
	"slices"
	"strconv"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"appliance/internal/telemetry"
)

// Bounds of a request. A histogram is not split, so it may have a few samples
// more.
const (
	maxSamples = 2000
	maxBytes   = 512 << 10
)

// Numbers of fields, from prompb/remote.proto and prompb/types.proto.
const (
	requestSeries   = 1
	requestMetadata = 3

	seriesLabel    = 1
	seriesSample   = 2
	seriesExemplar = 3

	labelKey   = 1
	labelValue = 2

	sampleValue = 1
	sampleTime  = 2

	exemplarLabel = 1
	exemplarValue = 2
	exemplarTime  = 3

	metadataType = 1
	metadataName = 2
	metadataHelp = 4
)

// encoder makes requests of samples, and has each sent when it is full.
type encoder struct {
	send    func(request []byte, samples int)
	request []byte
	samples int
	series  []byte // the one that is made
	part    []byte // of it
	now     int64  // unix milliseconds, of all samples that are read together
}

// describe adds the type and the help of a family.
func (e *encoder) describe(m telemetry.Metric) {
	b := protowire.AppendTag(e.series[:0], metadataType, protowire.VarintType)
	b = protowire.AppendVarint(b, uint64(1+slices.Index([]string{"counter", "gauge", "histogram"}, m.Kind())))
	b = appendText(b, metadataName, m.Name)
	b = appendText(b, metadataHelp, m.Help)
	e.request = appendMessage(e.request, requestMetadata, b)
	e.series = b
}

// family reads the numbers of a family and adds them.
func (e *encoder) family(f family) {
	if f.ReadHistograms != nil {
		f.ReadHistograms(func(h telemetry.Histogram, labels ...string) {
			e.now = time.Now().UnixMilli()
			e.histogram(&f, &h, labels)
			e.sendFull()
		})
		return
	}
	f.Read(func(value float64, labels ...string) {
		e.now = time.Now().UnixMilli()
		e.add(f.plain, labels, "", value, nil)
		e.sendFull()
	})
}

// histogram adds the series of a histogram.
func (e *encoder) histogram(f *family, h *telemetry.Histogram, labels []string) {
	below := math.Inf(-1)
	for _, bound := range slices.Sorted(maps.Keys(h.Buckets)) {
		e.add(f.bucket, labels, strconv.FormatFloat(bound, 'g', -1, 64), float64(h.Buckets[bound]), newest(h.Exemplars, below, bound))
		below = bound
	}
	e.add(f.bucket, labels, "+Inf", float64(h.Count), newest(h.Exemplars, below, math.Inf(1)))
	e.add(f.sum, labels, "", h.Sum, nil)
	e.add(f.count, labels, "", float64(h.Count), nil)
}

// newest is the youngest exemplar of a bucket: above one bound and up to
// another.
func newest(all []telemetry.Exemplar, above, most float64) (x *telemetry.Exemplar) {
	for i := range all {
		if v := all[i].Value; v > above && v <= most && (x == nil || all[i].Time.After(x.Time)) {
			x = &all[i]
		}
	}
	return x
}

// add adds a series with one sample.
func (e *encoder) add(l layout, values []string, le string, value float64, x *telemetry.Exemplar) {
	b := e.series[:0]
	for i := range l {
		v := l[i].value
		switch from := l[i].from; from {
		case constant:
		case upperEdge:
			v = le
		default:
			v = values[from]
		}
		if v != "" { // to Prometheus it is as if it were not there
			b = e.appendLabel(b, seriesLabel, l[i].name, v)
		}
	}
	e.part = appendSample(e.part[:0], sampleValue, value, sampleTime, e.now)
	b = appendMessage(b, seriesSample, e.part)
	if x != nil {
		b = e.appendExemplar(b, x)
	}
	e.series = b
	e.request = appendMessage(e.request, requestSeries, b)
	e.samples++
}

func (e *encoder) appendLabel(b []byte, number protowire.Number, name, value string) []byte {
	e.part = appendText(appendText(e.part[:0], labelKey, name), labelValue, value)
	return appendMessage(b, number, e.part)
}

func (e *encoder) appendExemplar(b []byte, x *telemetry.Exemplar) []byte {
	var text []byte
	for _, name := range slices.Sorted(maps.Keys(x.Labels)) {
		text = e.appendLabel(text, exemplarLabel, name, x.Labels[name])
	}
	text = appendSample(text, exemplarValue, x.Value, exemplarTime, x.Time.UnixMilli())
	return appendMessage(b, seriesExemplar, text)
}

func appendSample(b []byte, value protowire.Number, v float64, at protowire.Number, ms int64) []byte {
	b = protowire.AppendTag(b, value, protowire.Fixed64Type)
	b = protowire.AppendFixed64(b, math.Float64bits(v))
	b = protowire.AppendTag(b, at, protowire.VarintType)
	return protowire.AppendVarint(b, uint64(ms))
}

func appendText(b []byte, number protowire.Number, text string) []byte {
	return protowire.AppendString(protowire.AppendTag(b, number, protowire.BytesType), text)
}

func appendMessage(b []byte, number protowire.Number, message []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, number, protowire.BytesType), message)
}

func (e *encoder) sendFull() {
	if e.samples >= maxSamples || len(e.request) >= maxBytes {
		e.end()
	}
}

// end has sent what there is.
func (e *encoder) end() {
	if len(e.request) > 0 {
		e.send(e.request, e.samples)
	}
	e.request, e.samples = e.request[:0], 0
}
