package oracle

import (
	"math"

	"google.golang.org/protobuf/encoding/protowire"
)

// The field numbers are those of opentelemetry/proto/trace/v1/trace.proto.
// Written by hand because load is generated on the machine that is measured:
// this takes a fifth of the time of building messages and marshalling them.

// encode makes the export request of runs of spans. buf is reused.
func (f *formula) encode(buf []byte, runs []run) []byte {
	var scope, span []byte
	for _, r := range runs {
		scope = scope[:0]
		for i := range r.spans {
			c := f.span(place{r.trace, r.from + i})
			span = c.appendTo(span[:0])
			scope = field(scope, 2, span)
		}
		resource := field(nil, 1, field(nil, 1, stringAttribute(nil, "service.name", f.service(r.trace))))
		buf = field(buf, 1, field(resource, 2, scope))
	}
	return buf
}

func (c *content) appendTo(b []byte) []byte {
	b = field(b, 1, c.traceID[:])
	b = field(b, 2, c.spanID[:])
	if c.parent != [8]byte{} {
		b = field(b, 4, c.parent[:])
	}
	b = field(b, 5, []byte(c.name))
	b = protowire.AppendVarint(protowire.AppendTag(b, 6, protowire.VarintType), uint64(c.kind))
	b = protowire.AppendFixed64(protowire.AppendTag(b, 7, protowire.Fixed64Type), c.start)
	b = protowire.AppendFixed64(protowire.AppendTag(b, 8, protowire.Fixed64Type), c.end)
	var scratch [96]byte
	b = field(b, 9, intAttribute(scratch[:0], "oracle.number", c.number))
	b = field(b, 9, doubleAttribute(scratch[:0], "oracle.share", c.share))
	b = field(b, 9, stringAttribute(scratch[:0], "http.method", c.method))
	b = field(b, 9, intAttribute(scratch[:0], "http.status_code", c.code))
	if c.text != "" {
		b = field(b, 9, stringAttribute(nil, "oracle.text", c.text))
	}
	if c.event != "" {
		event := protowire.AppendFixed64(protowire.AppendTag(nil, 1, protowire.Fixed64Type), c.eventAt)
		b = field(b, 11, field(event, 2, []byte(c.event)))
	}
	if c.links > 0 {
		b = field(b, 13, field(field(nil, 1, c.linkTrace[:]), 2, c.linkSpan[:]))
	}
	if c.status != 0 {
		var status []byte
		if c.message != "" {
			status = field(status, 2, []byte(c.message))
		}
		status = protowire.AppendVarint(protowire.AppendTag(status, 3, protowire.VarintType), uint64(c.status))
		b = field(b, 15, status)
	}
	return b
}

func field(b []byte, number protowire.Number, message []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, number, protowire.BytesType), message)
}

func stringAttribute(b []byte, key, value string) []byte {
	return field(field(b, 1, []byte(key)), 2, field(nil, 1, []byte(value)))
}

func intAttribute(b []byte, key string, value int64) []byte {
	var v [11]byte
	return field(field(b, 1, []byte(key)), 2, protowire.AppendVarint(protowire.AppendTag(v[:0], 3, protowire.VarintType), uint64(value)))
}

func doubleAttribute(b []byte, key string, value float64) []byte {
	var v [9]byte
	return field(field(b, 1, []byte(key)), 2, protowire.AppendFixed64(protowire.AppendTag(v[:0], 4, protowire.Fixed64Type), math.Float64bits(value)))
}
