// Package content compares traces in OTLP, whoever grouped them into resources,
// scopes and messages. Two sets are equal if every trace has the same spans, each
// with the same resource, scope and fields. The order of spans, attributes and
// batches is none of the content.
package content
