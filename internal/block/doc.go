// Package block writes and reads one block of Tempo's storage: a directory
// <tenant>/<block id>/ with data.parquet, bloom-N, index and, written last,
// meta.json. It writes vParquet4.
package block
