// Package blocks holds blocks of ours against Tempo's: what Tempo's own code
// reads, finds and merges of ours, and what we read of Tempo's. A reader of
// Parquet that is not written in Go is the second witness.
//
//	.ci/peers/build tempo-blocks node
//	cd e2e && go test ./blocks
//
// BLOCKS=long asks every query of the conformance corpus, and more random spans.
package blocks
