// Package blockdir watches the blocks that the embedded Tempo writes and makes them durable: Tempo itself never syncs
// a file.
//
// It promises:
//   - a block that Next returns is whole, and stays so after a power cut: its files and names are synced, and a mark
//     in sealed/ says so, before Next returns it; once the block is gone, so is the mark;
//   - Recover, which runs before Tempo does, leaves no block in place that a crash may have damaged: one without a
//     mark is read from end to end, and moved to damaged/ when anything is wrong with it. Nothing is deleted but
//     directories in which Tempo had not finished a block.
//
// That a block is never written again once it has its meta.json holds since Tempo's write-ahead log is removed
// before each start (see package tempo): what was in it is in the spool.
package blockdir
