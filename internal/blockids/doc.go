// Package blockids tells which spans are in a block of Tempo's storage. It reads the identifiers' columns and nothing
// else, and links none of Tempo's code.
//
// It promises that a span it reports is in the file, that memory is bounded by a page of each of three columns
// whatever the block's size, and that a damaged file is an error, not a panic.
//
// The layout is that of github.com/grafana/tempo/tempodb/encoding/vparquet4 (vParquet3 has the same columns).
package blockids
