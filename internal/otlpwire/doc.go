// Package otlpwire reads OpenTelemetry trace requests (ExportTraceServiceRequest)
// straight from their protobuf bytes: no span is ever materialised, what is
// kept is copied as the bytes it was, and nothing is allocated per span.
package otlpwire
