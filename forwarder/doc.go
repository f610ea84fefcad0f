// Package forwarder hands batches of spans to Tempo over OTLP/HTTP and says what became of them.
//
// It promises to sort every answer into one of three: kept (Tempo acknowledged it), unavailable (not now, the
// sender tries again) and rejected (never, counted in spans). A batch is never dropped, and never blamed for what
// another batch in the same request did wrong.
package forwarder
