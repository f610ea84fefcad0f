// Package red counts every span that is received, before it is sampled: rate,
// errors and duration by service, span name, kind and status, and calls between
// services by pairing the spans of both sides.
//
// It promises:
//   - The spans of a request are counted at once, when it is answered 200, and
//     those of any other request never. Counts are exact at any sampling.
//   - Counting allocates nothing per span and takes no lock per span: a Tally
//     gathers a request, and Commit adds it up with one atomic addition for each
//     number that changed.
//   - Memory is bounded, whatever names arrive. What has no room is counted in
//     series named Overflow, so that sums stay right, and in Status.
//   - Counts outlive the process. A crash forgets what was counted since the
//     last Save, about a second.
//   - Examples are of spans that were kept.
//
// The last day is there in slots of five minutes for an hour, and of an hour
// before that (Meter.Window).
package red
