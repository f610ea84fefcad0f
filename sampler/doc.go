// Package sampler decides which spans are kept, by consistent probability
// sampling as OpenTelemetry specifies it.
//
// It promises:
//   - A decision depends on the span and the threshold alone ([Decide] is
//     pure): every replica and every restart answers the same for a trace.
//   - Kept sets nest: what a low probability keeps, a higher one keeps too.
//   - A threshold is never lowered and rv is never inserted, and the th that is
//     written is the one that was applied, so counts can be restored.
//   - A tracestate that cannot be read costs no span: the trace id decides, and
//     the tracestate leaves as it came.
//   - A sampler at 100 % changes nothing, but for a false th, which it erases,
//     and th:0 where sampling.priority asks for the span.
//   - Deciding allocates nothing, and memory is bounded however many service
//     names arrive.
//
// What differs from the Collector's probabilistic_sampler, on purpose, is
// listed in differences.md beside this file and held by its tests.
package sampler
