package blockstore

import (
	"errors"
	"io/fs"
	"path/filepath"
	"slices"

	"appliance/internal/block"
	"appliance/internal/durable"
)

// successors are the blocks of a tenant that a Tempo has merged others into, be
// they marked as deleted themselves, or taken over already. Blocks of ours are
// none.
func (a *adoption) successors(tenant string) ([]block.Meta, error) {
	var found []block.Meta
	for _, dir := range []string{filepath.Join(a.from, oldBlocks, tenant), filepath.Join(a.to, tenant)} {
		ids, err := a.dirs(dir)
		if err != nil {
			return nil, err
		}
		for _, id := range ids {
			// One that cannot be read has taken nobody's place.
			b, err := loadBlock(a.fs, filepath.Join(dir, id))
			if err == nil && b.Lineage == nil {
				found = append(found, b.Meta)
			} else if meta, marked, err := a.markedMeta(filepath.Join(dir, id)); err == nil && marked {
				found = append(found, meta)
			}
		}
	}
	return found, nil
}

// isMerged says that a block is marked as deleted and that its spans are in one
// of the successors, so that to take both would keep them twice. One that a
// Tempo has marked for its age, or version 0.1 after it was archived, has none.
func (a *adoption) isMerged(dir string, successors []block.Meta) (bool, error) {
	meta, marked, err := a.markedMeta(dir)
	if err != nil || !marked {
		return false, err
	}
	return slices.ContainsFunc(successors, func(m block.Meta) bool {
		return m.CompactionLevel > meta.CompactionLevel && !m.StartTime.After(meta.StartTime) && !m.EndTime.Before(meta.EndTime)
	}), nil
}

// markedMeta is the meta of a block that is marked as deleted.
func (a *adoption) markedMeta(dir string) (meta block.Meta, marked bool, err error) {
	text, err := durable.ReadFile(a.fs, filepath.Join(dir, block.CompactedMetaName), maxMeta)
	if errors.Is(err, fs.ErrNotExist) {
		return meta, false, nil
	}
	if err != nil {
		return meta, false, err
	}
	if meta, err = block.ParseMeta(text); err != nil {
		return meta, false, nil // whoever takes it over says so
	}
	return meta, true, nil
}
