package blockstore

import "appliance/internal/block"

// The shape of blocks that are to be merged: a merge holds pages and
// dictionaries of all of its sources at the same time, so these are small. That
// costs a twentieth in bytes, for minutes.
const (
	smallPages     = 2048    // spans of a page
	smallRowGroups = 2 << 20 // bytes of memory
)

// shape says how a block is written: as one that stays, or is merged.
func (s *Store) shape(tenant, id, dir string, level int, stays bool) block.BuilderOptions {
	o := block.BuilderOptions{
		FS: s.fs, Dir: dir, Tenant: tenant, BlockID: id, CompactionLevel: level, DigestKey: digestKey, Memory: &s.memory, TraceBytes: s.traceBytes,
	}
	if !stays {
		o.PageSpans, o.RowGroupBytes = smallPages, smallRowGroups
	}
	return o
}
