package blockstore

import (
	"path/filepath"
	"slices"
	"time"

	"appliance/internal/block"
	"appliance/internal/durable"
)

// Final says that a block stays as it is until it is deleted, so that a copy of
// it holds for good, and that its youngest record is that old: it is merged, or
// somebody else's. Once it is, it stays so when the clock goes back: whoever copies
// final blocks takes one that is not any more for gone.
func (s *Store) Final(tenant, id string, age time.Duration) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.tenants[tenant]
	if t == nil {
		return false
	}
	i := slices.IndexFunc(t.blocks, func(b *Block) bool { return b.Meta.BlockID == id })
	if i < 0 {
		return false
	}
	b := t.blocks[i]
	b.sealed = b.sealed || b.final(s.wall(), age)
	return b.sealed
}

// Final says the same of a block's directory, for where no Store has it open.
func Final(fsys durable.FS, dir string, age time.Duration) bool {
	b, err := loadBlock(fsys, dir)
	return err == nil && b.final(time.Now(), age)
}

func (b *Block) final(now time.Time, age time.Duration) bool {
	return b.Lineage == nil || b.merged() && now.Sub(b.cutBy(now)) >= age
}

// merged says that a block stays as it is: no merge follows, or we did not make
// it.
func (b *Block) merged() bool {
	return b.Lineage == nil || b.Meta.CompactionLevel > levelCut && !b.Lineage.Again
}

func loadBlock(fsys durable.FS, dir string) (*Block, error) {
	text, err := durable.ReadFile(fsys, filepath.Join(dir, block.MetaName), maxMeta)
	if err != nil {
		return nil, err
	}
	meta, err := block.ParseMeta(text)
	if err != nil {
		return nil, err
	}
	lineage, err := readLineage(fsys, dir)
	if err != nil {
		return nil, err
	}
	return &Block{Meta: meta, Dir: dir, Lineage: lineage, had: time.Now()}, nil
}
