// Package remotewrite sends metrics to a Prometheus, or to whatever else takes
// its remote write protocol, version 1.0.
//
// It promises:
//   - Series are those of a scrape: the same names, labels and values, with
//     labels of the sender added.
//   - Nobody waits for it. It reads numbers as a scrape does and has no queue:
//     at most one request is in memory.
//   - A request that fails is sent again with growing pauses, or those that the
//     server asks for, until it is a minute old. Then newer numbers take its
//     place. Counters go on, so an outage costs resolution and no counts.
//   - What the server refuses is dropped and counted.
//   - A secret is in no error, log line or status.
//
// https://prometheus.io/docs/specs/prw/remote_write_spec/ is the protocol.
package remotewrite
