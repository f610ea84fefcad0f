// Package spool keeps records on disk until they are released: the log behind
// "200 means kept".
//
// It promises:
//   - a record whose Append returned nil is read back byte for byte, in order and
//     once per Reader, after any crash, power cut, full disk or failed sync,
//     until it is released;
//   - Append does not return nil before the record is synced, and one sync serves
//     all who wait;
//   - a damaged byte costs at most the record it is in; what is damaged is
//     counted, logged and copied to quarantine/, never dropped silently;
//   - a release may be forgotten by a crash, so that a record is read again, but a
//     record that was not released is never skipped;
//   - memory does not grow with records, payloads or backlog.
//
// FORMAT.md documents the files. One process writes to a directory, the caller
// holds its lock (durable.LockDir); Inspect and Verify work beside it and alone.
package spool
