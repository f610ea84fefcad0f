// Package read lists the blocks of an archive for those who search it, and
// opens their files: it is the querier.Archive of an archive.
//
// It promises that every committed block (one with a manifest) takes part, and
// no other; that a manifest which cannot be read costs only its block, which is
// named; and that a list is about a second old at most, unless reading it takes
// long.
//
// A Reader holds about 150 bytes in memory for each block of the tenants that
// it was asked for.
package read
