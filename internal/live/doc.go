// Package live knows the spans that are acknowledged and in no proven block yet.
//
// Their bytes are in the spool and nowhere else. A Part holds the positions of
// the records that will become one block, and for each record the hashes of its
// trace ids: 4 bytes for each trace of each record, and 40 for the record. Size
// says how much that is, so that whoever fills Parts can bound it.
//
// It promises: a record that was added is found by Records, and by Trace for
// each trace id it has, for as long as the caller keeps it in the spool.
package live
