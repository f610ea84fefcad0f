package remotewrite

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/snappy"
	"google.golang.org/protobuf/encoding/protowire"

	"appliance/internal/telemetry"
)

// series is one of a decoded request.
type series struct {
	labels    string // name="value", in the order of the request
	value     float64
	at        time.Time
	exemplars []string
}

// message splits a message into its fields: numbers as they are, the others as
// bytes.
func message(t *testing.T, b []byte, visit func(number protowire.Number, n uint64, text []byte)) {
	t.Helper()
	for len(b) > 0 {
		number, kind, size := protowire.ConsumeTag(b)
		if size < 0 {
			t.Fatal(protowire.ParseError(size))
		}
		b = b[size:]
		var n uint64
		var text []byte
		switch kind {
		case protowire.VarintType:
			n, size = protowire.ConsumeVarint(b)
		case protowire.Fixed64Type:
			n, size = protowire.ConsumeFixed64(b)
		case protowire.BytesType:
			text, size = protowire.ConsumeBytes(b)
		default:
			t.Fatalf("field %d has type %d", number, kind)
		}
		if size < 0 {
			t.Fatal(protowire.ParseError(size))
		}
		b = b[size:]
		visit(number, n, text)
	}
}

// decode reads a request as prompb/remote.proto has it, and holds the order of
// labels.
func decode(t *testing.T, packed []byte) (all []series, described []string) {
	t.Helper()
	request, err := snappy.Decode(nil, packed)
	if err != nil {
		t.Fatal(err)
	}
	message(t, request, func(number protowire.Number, _ uint64, text []byte) {
		switch number {
		case 1:
			all = append(all, decodeSeries(t, text))
		case 3:
			var kind uint64
			var words []string
			message(t, text, func(number protowire.Number, n uint64, text []byte) {
				if number == 1 {
					kind = n
					return
				}
				words = append(words, string(text))
			})
			described = append(described, fmt.Sprint(kind, " ", strings.Join(words, ": ")))
		default:
			t.Fatalf("field %d of a request", number)
		}
	})
	return all, described
}

func decodeSeries(t *testing.T, text []byte) (s series) {
	t.Helper()
	var names, labels []string
	samples := 0
	label := func(text []byte) (pair [2]string) {
		message(t, text, func(number protowire.Number, _ uint64, text []byte) { pair[number-1] = string(text) })
		return pair
	}
	message(t, text, func(number protowire.Number, _ uint64, text []byte) {
		switch number {
		case 1:
			pair := label(text)
			names = append(names, pair[0])
			labels = append(labels, fmt.Sprintf("%s=%q", pair[0], pair[1]))
		case 2:
			samples++
			message(t, text, func(number protowire.Number, n uint64, _ []byte) {
				if number == 1 {
					s.value = math.Float64frombits(n)
				} else {
					s.at = time.UnixMilli(int64(n))
				}
			})
		case 3:
			var value float64
			var at int64
			var pairs []string
			message(t, text, func(number protowire.Number, n uint64, text []byte) {
				switch number {
				case 1:
					pair := label(text)
					pairs = append(pairs, pair[0]+"="+pair[1])
				case 2:
					value = math.Float64frombits(n)
				case 3:
					at = int64(n)
				}
			})
			s.exemplars = append(s.exemplars, fmt.Sprint(strings.Join(pairs, " "), " ", value, " ", at))
		}
	})
	if s.labels = strings.Join(labels, ","); !slices.IsSorted(names) || samples != 1 {
		t.Fatalf("%s: labels are not in order, or %d samples", s.labels, samples)
	}
	return s
}

// counter is a family of one counter.
func counter(name string, read func() float64) telemetry.Metric {
	return telemetry.Metric{Name: name, Help: "Counts.", Read: func(emit func(float64, ...string)) { emit(read()) }}
}
