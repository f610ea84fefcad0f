// Package read answers Tempo's questions from an archive: a trace by its id, searches, tags and their values, metrics.
//
// It promises that every committed block (one with a manifest) takes part in an answer, and no other; that a block
// which cannot be read costs an answer only that block, which the answer names; that the bytes are decoded by Tempo's
// own code; and that memory is bounded by Options whatever the archive's size: blocks are opened a few at a time, and
// what is collected for an answer has a limit in bytes.
//
// A Reader holds about 100 bytes in memory for each block of the tenants that it was asked for.
package read
