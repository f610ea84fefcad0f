// Package archive keeps every block of the appliance's block store, or of a
// Tempo's storage, for longer than those do, in a store that any Tempo can read.
//
// It promises:
//   - A block is archived when its manifest is in the store, and not before. The
//     manifest is put last and holds the size and SHA-256 of every file.
//   - Nothing in the store is overwritten. Other bytes under an id that is taken
//     are kept beside it, under an id derived from both, and counted.
//   - The embedded block store loses a block only right after the archived copy
//     of these very bytes was read back and found right; on any doubt it loses none.
//   - Of a Tempo elsewhere only reading is asked. What it deleted before it could
//     be copied is recorded as a gap.
//   - Whatever crashes at whatever moment, the next run finishes the work.
//
// Archiver copies and purges (Run, RunOnce, Status). Archive is what a person
// does with a store, with no server running: List, Show, Verify, Diff, Restore,
// Prune, Pin, Stats. The layout of a store is in names.go, of a manifest in
// manifest.go, of the catalog in catalog.go.
package archive
