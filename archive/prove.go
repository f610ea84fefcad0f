package archive

import (
	"context"
	"crypto/sha256"
	"fmt"
)

// heedVerification distrusts the archived copies that a verification found damaged since the last pass. What the source
// still has of them is then taken for not archived, and so are the blocks that they cover.
func (a *Archiver) heedVerification(ctx context.Context) error {
	marks, err := readMarks(ctx, a.opt.Store)
	if err != nil {
		return err
	}
	fresh := false
	for r := range marks[markDamaged] {
		fresh = fresh || !a.distrusted[r]
		a.distrusted[r] = true
	}
	if !fresh {
		return nil
	}
	a.update(func(*Status) {
		clear(a.memory.Covered)
		for _, k := range a.known {
			k.print = [sha256.Size]byte{} // look again
			if k.state == stateCovered {
				k.state = statePending
			}
		}
	})
	return nil
}

// prove reads the archived copy of b, and what b's source still has, whole, and says whether they are equal. When they
// are not, the block is taken for not archived and copied again, under a derived id.
func (a *Archiver) prove(ctx context.Context, b *sourceBlock) (bool, error) {
	m, err := a.copy.committed(ctx, b)
	if err != nil || m == nil {
		return false, err
	}
	r := ref{m.Tenant, m.Block}
	damages, err := checkBlock(ctx, a.opt.Store, m, true)
	if err != nil {
		return false, err
	}
	if len(damages) > 0 {
		d := damages[0]
		a.distrusted[r] = true
		a.fail(ctx, CauseCopy, fmt.Errorf("archived block %s is damaged: %s %s", r, d.File, d.What))
		return false, setMark(ctx, a.opt.Store, markDamaged, r)
	}
	a.verified[r] = a.opt.Wall().Unix()
	for _, f := range b.files {
		sum, err := readSum(ctx, a.opt.Source, ObjectName(b.tenant, b.id, f.Name))
		if err != nil {
			return false, err
		}
		if want, _ := m.File(f.Name); want.SHA256 != sum {
			a.distrusted[r] = true
			return false, nil
		}
	}
	return true, nil
}
