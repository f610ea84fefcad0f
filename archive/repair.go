package archive

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"

	"appliance/archive/store"
)

// RepairPlan says what is wrong with one archived block, and which right bytes
// there are to take its place.
type RepairPlan struct {
	Block  Block        `json:"block"`
	Damage []Damage     `json:"damage"` // none: the block is whole
	Files  []RepairFile `json:"files"`  // what Run replaces
	// files of which nobody has the right bytes; Run refuses then
	Lost []string `json:"lost"`
	// Copies are whole blocks of the archive that hold the same spans, copied
	// from the same block of the source. With one of them Drop loses nothing.
	Copies []string `json:"copies"`

	a        *Archive
	inv      *inventory
	manifest []byte // to be put; nil where the block's own is right
	again    Source // the source, from which a manifest is made again
	donors   map[string]donor
}

// RepairFile is a file with wrong bytes, or none, and who has the right ones.
type RepairFile struct {
	Name string `json:"name"`
	From string `json:"from"` // tenant/block at a URL
}

// PlanRepair reads a block and looks for the right bytes of what is damaged: in
// other archived copies of it, then in the sources, each a place with blocks or
// another archive. What is right is said by the block's manifest; where that
// is damaged, by the manifest in another archive, or by the source if
// nothing that is here contradicts it. A source that is this archive is
// ErrSame.
func (a *Archive) PlanRepair(ctx context.Context, prefix string, sources ...Source) (*RepairPlan, error) {
	for _, src := range sources { // or a block would be right by its own word
		if err := checkApart(ctx, a.store, src, "repair"); err != nil {
			return nil, err
		}
	}
	inv, err := takeInventory(ctx, a.store)
	if err != nil {
		return nil, err
	}
	r, err := inv.resolveLost(prefix)
	if err != nil {
		return nil, err
	}
	p := &RepairPlan{
		Block: inv.withManifest(r), Damage: []Damage{}, Files: []RepairFile{}, Lost: []string{},
		Copies: []string{}, a: a, inv: inv, donors: map[string]donor{},
	}
	if i := slices.IndexFunc(inv.missing, func(e entry) bool { return e.ref == r }); i >= 0 {
		p.Block = inv.block(&inv.missing[i])
		p.Block.State = StateMissing
	}
	m, err := ReadManifest(ctx, a.store, r.tenant, r.block)
	switch {
	case err == nil:
	case isBadManifest(err):
		p.Damage = append(p.Damage, Damage{r.tenant, r.block, ManifestName, err.Error()})
	case errors.Is(err, store.ErrNotExist):
		p.Damage = append(p.Damage, Damage{r.tenant, r.block, ManifestName, "is missing"})
	default:
		return nil, err
	}
	if err != nil {
		if m, err = p.findManifest(ctx, sources); err != nil || m == nil {
			return p, err
		}
	}
	copies, err := p.findCopies(ctx, m)
	if err != nil {
		return nil, err
	}
	damages, err := checkBlock(ctx, a.store, m, true)
	if err != nil {
		return nil, err
	}
	p.Damage = append(p.Damage, damages...)
	for _, d := range damages {
		f, _ := m.File(d.File)
		if err := p.findDonor(ctx, m, f, copies, sources); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// resolveLost is resolve, also for a block of which nothing is left but what
// the catalog says.
func (inv *inventory) resolveLost(prefix string) (ref, error) {
	r, err := inv.resolve(prefix)
	if !errors.Is(err, ErrNoBlock) {
		return r, err
	}
	return (&inventory{archived: inv.missing}).resolve(prefix)
}

// findManifest looks for what the block must be, where its own manifest does
// not say it. Without any it returns nil, or leaves it to Run to make one
// again.
func (p *RepairPlan) findManifest(ctx context.Context, sources []Source) (*Manifest, error) {
	r := ref{p.Block.Tenant, p.Block.ID}
	name := ObjectName(r.tenant, r.block, ManifestName)
	for _, src := range sources {
		text, err := store.ReadFile(ctx, src, name, maxManifestBytes)
		if errors.Is(err, store.ErrNotExist) {
			continue
		} else if err != nil {
			return nil, fmt.Errorf("look for %s: %w", name, err)
		}
		if m, err := DecodeManifest(text, r.tenant, r.block); err == nil {
			p.manifest = text
			p.Files = append(p.Files, RepairFile{ManifestName, r.String() + " at " + src.URL()})
			return m, nil
		}
	}
	for _, src := range sources {
		b, err := inspect(ctx, src, r.tenant, r.block)
		if errors.Is(err, errUnfinished) || errors.Is(err, errDamaged) {
			continue
		} else if err != nil {
			return nil, err
		}
		if same, err := p.agrees(ctx, src, b); err != nil {
			return nil, err
		} else if same {
			p.again = src
			p.Files = append(p.Files, RepairFile{ManifestName, r.String() + " at " + src.URL()})
			return nil, nil
		}
	}
	p.Lost = append(p.Lost, ManifestName)
	return nil, nil
}

// agrees says whether all files of the block that are here have the bytes of the
// source's.
func (p *RepairPlan) agrees(ctx context.Context, src Source, b *sourceBlock) (bool, error) {
	c := copier{src: src, dst: p.a.store}
	there, err := c.sizes(ctx, b.tenant, b.id)
	if err != nil {
		return false, err
	}
	delete(there, ManifestName)
	for file := range there {
		ours, err := readSum(ctx, p.a.store, ObjectName(b.tenant, b.id, file))
		if err != nil {
			return false, err
		}
		theirs := hexSum(sha256.Sum256(b.text))
		if file != MetaName {
			theirs, err = readSum(ctx, src, ObjectName(b.tenant, b.id, file))
			if err != nil && !errors.Is(err, store.ErrNotExist) {
				return false, err
			}
		}
		if ours != theirs {
			return false, nil
		}
	}
	return true, nil
}

// findCopies are the other archived copies of the block's source; those that
// are whole hold its spans.
func (p *RepairPlan) findCopies(ctx context.Context, m *Manifest) (copies []*Manifest, err error) {
	for i := range p.inv.archived {
		e := &p.inv.archived[i]
		of := cmp.Or(e.derivedFrom, e.block)
		if e.tenant != m.Tenant || e.block == m.Block || of != m.SourceBlock() {
			continue
		}
		other, err := ReadManifest(ctx, p.a.store, e.tenant, e.block)
		if isBadManifest(err) || errors.Is(err, store.ErrNotExist) {
			continue
		} else if err != nil {
			return nil, err
		}
		copies = append(copies, other)
		if other.SourceMeta() != m.SourceMeta() || other.SpanDigest != m.SpanDigest {
			continue // of other bytes
		}
		if damages, err := checkBlock(ctx, p.a.store, other, true); err != nil {
			return nil, err
		} else if len(damages) == 0 {
			p.Copies = append(p.Copies, e.String())
		}
	}
	return copies, nil
}

// Run replaces what is damaged, and verifies the block. Where it ends early,
// the block is damaged as before, and another repair goes on.
func (p *RepairPlan) Run(ctx context.Context) error {
	r := ref{p.Block.Tenant, p.Block.ID}
	if len(p.Lost) > 0 {
		return fmt.Errorf("repair block %s: nobody has the right bytes of %s", r, strings.Join(p.Lost, ", "))
	}
	if len(p.Damage) > 0 {
		if err := p.replace(ctx, r); err != nil {
			return fmt.Errorf("repair block %s: %w", r, err)
		}
	}
	rep, err := p.a.Verify(ctx, VerifyOptions{ReadData: true, Blocks: []string{r.String()}})
	if err == nil && len(rep.Damage) > 0 {
		err = fmt.Errorf("repair block %s: %s %s still", r, rep.Damage[0].File, rep.Damage[0].What)
	}
	return err
}

func (p *RepairPlan) replace(ctx context.Context, r ref) error {
	s := p.a.store
	if err := clearMark(ctx, s, markPrune, r); err != nil {
		return err
	}
	if err := setMark(ctx, s, markDamaged, r); err != nil {
		return err
	}
	if p.again != nil {
		return p.archiveAgain(ctx, r)
	}
	for _, f := range p.Files {
		if d, ok := p.donors[f.Name]; ok && f.Name != MetaName {
			if err := d.give(ctx, s, r); err != nil {
				return err
			}
		}
	}
	// As with any copy, the meta comes last but one and the manifest last.
	if d, ok := p.donors[MetaName]; ok {
		if err := d.give(ctx, s, r); err != nil {
			return err
		}
	}
	if p.manifest == nil {
		return nil
	}
	name, size := ObjectName(r.tenant, r.block, ManifestName), int64(len(p.manifest))
	return put(ctx, s, name, bytes.NewReader(p.manifest), size, hexSum(sha256.Sum256(p.manifest)))
}

// archiveAgain makes a manifest for what agrees with the source, and
// copies what is missing.
func (p *RepairPlan) archiveAgain(ctx context.Context, r ref) error {
	if err := p.a.store.Delete(ctx, ObjectName(r.tenant, r.block, ManifestName)); err != nil {
		return err
	}
	b, err := inspect(ctx, p.again, r.tenant, r.block)
	if err != nil {
		return err
	}
	found, err := b.check(ctx, p.again)
	if err != nil {
		return err
	}
	c := copier{
		src: p.again, dst: p.a.store, origin: OriginOf(p.again), now: p.a.now, moved: func(int64) {},
		damaged: func(string, string) bool { return false },
	}
	_, err = c.copyAs(ctx, b, b.id, found)
	return err
}

// Drop deletes a damaged block from the archive for good, and with it what is
// left of spans that no other copy has. It refuses a block that is whole or
// pinned.
func (p *RepairPlan) Drop(ctx context.Context) error {
	r := ref{p.Block.Tenant, p.Block.ID}
	switch {
	case len(p.Damage) == 0:
		return fmt.Errorf("drop block %s: it is whole", r)
	case p.Block.Pinned:
		return fmt.Errorf("drop block %s: it is pinned; unpin it first: appliance archive unpin %s", r, r)
	}
	prune := &PrunePlan{Blocks: []Block{p.Block}, Bytes: p.Block.Bytes, inv: p.inv, a: p.a}
	pruned, err := prune.Run(ctx, nil)
	if err == nil && pruned == 0 {
		err = fmt.Errorf("drop block %s: it was pinned meanwhile", r)
	}
	if err != nil {
		return err
	}
	return clearMark(ctx, p.a.store, markDamaged, r)
}
