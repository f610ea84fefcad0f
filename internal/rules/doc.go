// Package rules leaves out of trace requests what an operator does not want to
// be kept: whole spans, attributes, secrets. It works on the bytes of an
// ExportTraceServiceRequest, before anything is sampled or written.
//
// It promises:
//   - what no rule concerns stays byte for byte, unknown fields included;
//   - a request is either edited as a whole or refused (otlpwire.ErrMalformed,
//     ErrTooDeep, ErrTooMany); no part of it passes a rule by being odd: a key
//     that is given twice counts as readers see it, values are edited in lists
//     and maps too;
//   - a span whose parent was dropped from the same request gets the parent of
//     that one;
//   - work is linear in the bytes, and memory beside the result is bounded.
//
// docs/rules.md has the language, and lists what the presets do.
package rules
