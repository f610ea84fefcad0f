// Package blockstore keeps the spans of the spool in blocks on this disk.
//
// It promises:
//   - a record leaves the spool only when a block on a synced disk was read back
//     and holds every span of it: the digest of what is in the block, over all
//     fields that the format holds, is that of the spool's bytes;
//   - whatever ends the process at whatever moment, the next Open stores no span
//     twice and misses none: each block says which records of which spool it has
//     (lineage.go), and a merge counts from the sync of its commit record
//     (commit.go);
//   - a View has each span of a tenant exactly once, in a block or in a live
//     part, also while blocks are cut and merged;
//   - what a disk refuses stays in the spool and is tried again.
//
// The directory: TENANT/BLOCK/ has a block as any Tempo reads it, and lineage.json
// beside its files. @staging/ has what is being written or deleted, @commits/
// the merges that are committed and not carried out. Nothing else is ours.
package blockstore
