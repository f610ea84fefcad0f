// Package block writes and reads one block of Tempo's storage: a directory
// <tenant>/<block id>/ with data.parquet, bloom-N, index and, written last,
// meta.json. It writes vParquet4, which every Tempo since 2.5 reads. docs/blocks.md
// says what a block holds and what it cannot hold.
//
// A Builder promises:
//   - when Finish returns nil, all files and names are on the disk, and each span
//     that Add took is in the block, was equal to one that is, or was given to
//     Overflow; otherwise no block is visible;
//   - what the format derives from spans (nested sets, service statistics, bounds
//     and root of a trace) is what Tempo derives;
//   - memory is bounded by its options, but for some 20 bytes a trace and a byte
//     a span of the footer.
//
// Spans go as bytes from the wire into an external merge sort by trace id (sorter,
// merger), one trace at a time from there (loader, trace) into the buffers of the
// columns (shredder, columnBuffer), and page by page into the file.
//
// A Merger makes a block of others: it copies entries from column to column, but for
// traces that several have, which go the way of a Builder. Memory keeps buffers
// from one block to the next.
//
// A Digest proves a block against records: it sums up a hash of each span with
// everything that a block holds of it, in any order.
package block
