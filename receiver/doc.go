// Package receiver takes OpenTelemetry traces over HTTP (OTLP/HTTP 1.x, protobuf
// and JSON), has every span sampled and hands what is kept to a Sink.
//
// It promises:
//   - 200 is answered only after the Sink has kept the batch; what can be tried
//     again is answered 503 (429 for a client over its own quota), because any
//     other code makes a client drop its data;
//   - what it holds in memory is bounded by Config.InflightBytes and
//     maxConnections, whatever clients send;
//   - Stats.Received = Kept + sampled out + rejected, in every snapshot. Spans
//     of requests that are not answered 200 are in none of them: their clients
//     still own them;
//   - no input ends the process, and no input makes it log without bound.
package receiver
