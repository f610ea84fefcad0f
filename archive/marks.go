package archive

import (
	"context"
	"errors"
	"strings"
	"time"

	"appliance/archive/store"
)

// A mark is a small file at the store's root that says one thing of one block.
// It is a file of its own so that two commands at the same time never undo each
// other, and at the root so that one listing finds all of them.
type mark string

const (
	// markPin keeps a block from being pruned.
	markPin mark = "pin"
	// markPrune is set before a block's files are deleted, so that what an
	// interrupted prune leaves is finished by the next, and that a pruned block
	// is not taken for a missing one. A later prune removes it.
	markPrune mark = "prune"
	// markDamaged says that verifying found a file that is not what the
	// manifest says. Only a verification that finds the block whole takes it
	// away.
	markDamaged mark = "damaged"
)

func (k mark) name(r ref) string { return ownPrefix + string(k) + "." + r.block + "." + r.tenant }

// marks are all that were set at one moment.
type marks map[mark]map[ref]bool

func (m marks) has(k mark, r ref) bool { return m[k][r] }

func readMarks(ctx context.Context, s store.Store) (marks, error) {
	m := marks{markPin: {}, markPrune: {}, markDamaged: {}}
	for e, err := range s.List(ctx, ".") {
		if err != nil {
			return nil, err
		}
		name, ours := strings.CutPrefix(e.Name, ownPrefix)
		kind, rest, ok := strings.Cut(name, ".")
		if !ours || !ok || e.Dir || m[mark(kind)] == nil {
			continue
		}
		block, tenant, _ := strings.Cut(rest, ".")
		if CheckBlock(block) == nil && CheckTenant(tenant) == nil {
			m[mark(kind)][ref{tenant, block}] = true
		}
	}
	return m, nil
}

func setMark(ctx context.Context, s store.Store, k mark, r ref) error {
	text := time.Now().UTC().Format(time.RFC3339) + "\n"
	_, err := s.Put(ctx, k.name(r), strings.NewReader(text), int64(len(text)))
	if errors.Is(err, store.ErrExists) {
		return nil
	}
	return err
}

func clearMark(ctx context.Context, s store.Store, k mark, r ref) error {
	return s.Delete(ctx, k.name(r))
}
