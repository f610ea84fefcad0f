// Package durable is the one place that knows how a change survives a power
// cut: data is synced before it is named, and a name is synced with the
// directory that holds it.
//
// It promises: when WriteFile, Rename, Remove or MkdirAll returns nil, the
// change is there after any crash; when one returns an error, either the old or
// the new state is there, never a mixture. An error of Sync is final for what
// was written to that file since the last Sync that succeeded: the kernel has
// marked the pages clean, so a second Sync succeeds without writing them.
//
// Everything takes an FS. OS is the real one; package crashfs is one in memory
// that crashes, tears, reorders and fails on demand.
package durable
