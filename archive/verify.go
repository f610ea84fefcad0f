package archive

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"time"

	"appliance/archive/store"
)

// Damage is what is wrong with an archived block.
type Damage struct {
	Tenant string `json:"tenant"`
	Block  string `json:"block"`
	File   string `json:"file"` // "" where it is the block as a whole
	What   string `json:"what"`
}

// checkBlock holds a block's files in the store against its manifest. Without
// data it looks at names and sizes only. The error is the store's.
func checkBlock(ctx context.Context, s store.Store, m *Manifest, data bool) (damages []Damage, err error) {
	damage := func(file, format string, args ...any) {
		damages = append(damages, Damage{m.Tenant, m.Block, file, fmt.Sprintf(format, args...)})
	}
	sizes := map[string]int64{}
	for e, err := range s.List(ctx, m.Tenant+"/"+m.Block) {
		if err != nil {
			return nil, err
		}
		if !e.Dir {
			sizes[e.Name] = e.Size
		}
	}
	for _, f := range m.Files {
		size, ok := sizes[f.Name]
		switch {
		case !ok:
			damage(f.Name, "is missing")
		case size != f.Size:
			damage(f.Name, "has %d bytes instead of %d", size, f.Size)
		case data:
			sum, err := readSum(ctx, s, ObjectName(m.Tenant, m.Block, f.Name))
			if errors.Is(err, store.ErrNotExist) {
				damage(f.Name, "is missing")
			} else if err != nil {
				return nil, err
			} else if sum != f.SHA256 {
				damage(f.Name, "has other bytes than were archived")
			}
		}
	}
	return damages, nil
}

func readSum(ctx context.Context, src Source, name string) (string, error) {
	o, err := src.Open(ctx, name)
	if err != nil {
		return "", err
	}
	defer o.Close()
	return digest(o)
}

// VerifyOptions say how thorough Verify is.
type VerifyOptions struct {
	// ReadData reads every file and finds any changed bit. Without it only
	// manifests, names and sizes are looked at.
	ReadData bool
	// Part of Parts (1 to Parts) is the share of the blocks that is verified;
	// Parts 0 is all. Which part a block is in depends on its name alone, so
	// that Parts runs have verified everything.
	Part, Parts int
	// Blocks are ids or unique prefixes of them; none is all.
	Blocks   []string
	Progress func(Progress)
}

// VerifyReport is what Verify found. Damage and Missing are what it looks for;
// the rest is worth knowing.
type VerifyReport struct {
	Blocks  int      `json:"blocks"` // looked at
	Bytes   int64    `json:"bytes"`  // read
	Damage  []Damage `json:"damage"`
	Missing []string `json:"missing"` // tenant/block: in the catalog, and not in the store
	// tenant/block without a manifest: never archived, so nothing is lost by it
	Incomplete []string `json:"incomplete"`
	// CatalogError says that the catalog was damaged; it was written again from the manifests.
	CatalogError string `json:"catalog_error,omitempty"`
}

// Damaged says whether something that was archived is not there as it was.
func (r *VerifyReport) Damaged() bool {
	return len(r.Damage)+len(r.Missing) > 0 || r.CatalogError != ""
}

// Verify holds the archive against its manifests, and writes down what it
// found: List shows damaged blocks, and Prune spares those that were not
// verified. The error is that of the store; damage is in the report.
func (a *Archive) Verify(ctx context.Context, o VerifyOptions) (*VerifyReport, error) {
	inv, err := takeInventory(ctx, a.store)
	if err != nil {
		return nil, err
	}
	chosen, err := inv.choose(o)
	if err != nil {
		return nil, err
	}
	rep := &VerifyReport{Damage: []Damage{}, Missing: []string{}, Incomplete: []string{}}
	if inv.catalogErr != nil {
		rep.CatalogError = inv.catalogErr.Error()
	}
	if len(o.Blocks) == 0 {
		for _, e := range inv.missing {
			rep.Missing = append(rep.Missing, e.String())
		}
		for _, r := range inv.incomplete {
			if !inv.marks.has(markPrune, r) {
				rep.Incomplete = append(rep.Incomplete, r.String())
			}
		}
	}
	p := Progress{BlocksTotal: len(chosen)}
	for _, r := range chosen {
		p.BytesTotal += inv.withManifest(r).Bytes
	}
	v := &verification{a: a, marks: inv.marks, data: o.ReadData, rep: rep, verified: map[ref]int64{}}
	for _, r := range chosen {
		if o.Progress != nil {
			p.Tenant, p.Block = r.tenant, r.block
			o.Progress(p)
		}
		if err := v.block(ctx, r); err != nil {
			// What was read for hours is worth a moment, also after an interruption.
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), saveDeadline)
			defer cancel()
			return rep, errors.Join(err, v.save(ctx))
		}
		p.Blocks++
		p.Bytes += inv.withManifest(r).Bytes
	}
	if o.Progress != nil && p.Blocks > 0 {
		o.Progress(p)
	}
	if len(v.verified) == 0 && inv.stale == 0 && inv.catalogErr == nil {
		return rep, nil
	}
	return rep, v.save(ctx)
}

// verification is one under way.
type verification struct {
	a        *Archive
	marks    marks // at its beginning
	data     bool
	rep      *VerifyReport
	verified map[ref]int64 // when, of blocks that were read and found right; 0 of damaged ones
}

func (v *verification) block(ctx context.Context, r ref) error {
	s := v.a.store
	v.rep.Blocks++
	var damages []Damage
	m, err := ReadManifest(ctx, s, r.tenant, r.block)
	switch {
	case errors.Is(err, store.ErrNotExist):
		damages = []Damage{{r.tenant, r.block, ManifestName, "is missing"}}
	case isBadManifest(err):
		damages = []Damage{{r.tenant, r.block, ManifestName, err.Error()}}
	case err != nil:
		return err
	default:
		if damages, err = checkBlock(ctx, s, m, v.data); err != nil {
			return err
		}
		if v.data {
			v.rep.Bytes += m.Bytes
		}
	}
	if len(damages) > 0 {
		if pruned, err := wasPruned(ctx, s, r); pruned || err != nil {
			return err
		}
		v.verified[r] = 0
		v.rep.Damage = append(v.rep.Damage, damages...)
		return setMark(ctx, s, markDamaged, r)
	}
	marked := v.marks.has(markDamaged, r)
	if !v.data {
		if marked { // in its bytes, at which nobody looks now
			v.rep.Damage = append(v.rep.Damage, Damage{r.tenant, r.block, "", "was found damaged before; verify --read-data says whether it still is"})
		}
		return nil
	}
	v.verified[r] = v.a.now().Unix()
	if marked {
		return clearMark(ctx, s, markDamaged, r)
	}
	return nil
}

// wasPruned says whether what a block lacks was pruned meanwhile: a prune sets
// its mark first, then deletes the manifest first, and a later one takes the
// mark away, when the catalog has forgotten the block.
func wasPruned(ctx context.Context, s store.Store, r ref) (bool, error) {
	if marked, err := isMarked(ctx, s, markPrune, r); marked || err != nil {
		return marked, err
	}
	if o, err := s.Open(ctx, ObjectName(r.tenant, r.block, ManifestName)); err == nil {
		return false, o.Close()
	}
	now, err := takeInventory(ctx, s)
	if err != nil {
		return false, err
	}
	isIt := func(e entry) bool { return e.ref == r }
	return now.find(r) == nil && !slices.ContainsFunc(now.missing, isIt) && !slices.Contains(now.incomplete, r), nil
}

const saveDeadline = 10 * time.Second

// save writes down which blocks were verified, in the catalog as it is now:
// others have archived, verified and pruned while this took hours.
func (v *verification) save(ctx context.Context) error {
	now, err := takeInventory(ctx, v.a.store)
	if err != nil {
		return err
	}
	for r, at := range v.verified {
		if e := now.find(r); e != nil {
			e.verified = at
		}
	}
	return now.save(ctx, v.a.store)
}

// choose returns the blocks that are to be verified.
func (inv *inventory) choose(o VerifyOptions) ([]ref, error) {
	if o.Parts < 0 || o.Parts > 0 && (o.Part < 1 || o.Part > o.Parts) {
		return nil, fmt.Errorf("there is no part %d of %d", o.Part, o.Parts)
	}
	var chosen []ref
	if len(o.Blocks) > 0 {
		for _, prefix := range o.Blocks {
			r, err := inv.resolve(prefix)
			if err != nil {
				return nil, err
			}
			chosen = append(chosen, r)
		}
		return chosen, nil
	}
	return slices.DeleteFunc(inv.refs(), func(r ref) bool { return !o.takes(r) }), nil
}

func (o VerifyOptions) takes(r ref) bool {
	if o.Parts <= 1 {
		return true
	}
	h := fnv.New64a()
	h.Write([]byte(r.String()))
	return h.Sum64()%uint64(o.Parts) == uint64(o.Part-1)
}
