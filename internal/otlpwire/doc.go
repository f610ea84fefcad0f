// Package otlpwire reads OpenTelemetry trace requests (ExportTraceServiceRequest)
// straight from their protobuf bytes: no span is ever materialised, what is
// kept is copied as the bytes it was, and nothing is allocated per span.
//
// It promises:
//   - a request is either refused as a whole (ErrMalformed, ErrTooDeep,
//     ErrTooMany) or every span of it is counted as kept, dropped or invalid;
//   - a span that one of its fields makes unusable costs only itself;
//   - unknown fields survive byte for byte, also inside a rewritten span, of
//     which only tracestate changes;
//   - what Filter returns is accepted by protobuf's decoder and, unless it has
//     groups, by pdata, and therefore by the Collector and Tempo;
//   - work and memory are linear in the bytes, whatever they hold.
//
// Limits.Filter and Limits.FromJSON say where they are stricter or looser than
// google.golang.org/protobuf with OTLP's messages and
// go.opentelemetry.io/collector/pdata, against which they are fuzzed.
package otlpwire
