// Package archive attacks the promise "nothing is purged unarchived" with the
// real binary: an oracle sends spans for many retention periods, things are
// killed, filled and taken away meanwhile, and in the end every span is read
// back from the blocks and the archive, through the read API, the commands, and
// a plain Tempo that is given the archive as its storage.
//
// The short form takes minutes; TORTURE=long repeats more often.
// .ci/archive-test brings what it needs.
package archive
