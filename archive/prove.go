package archive

import (
	"context"
	"crypto/sha256"
	"fmt"
	"maps"
)

// heedVerification distrusts the archived copies that a verification found
// damaged, until one finds them whole. What the source still has of them is
// taken for not archived meanwhile, and so are the blocks that they cover.
func (a *Archiver) heedVerification(ctx context.Context) error {
	marks, err := readMarks(ctx, a.opt.Store)
	if err != nil {
		return err
	}
	maps.DeleteFunc(a.foreign, func(_, source ref) bool { return a.known[source] == nil })
	before := a.damaged
	a.damaged = marks[markDamaged]
	if maps.Equal(before, a.damaged) {
		return nil
	}
	fresh := false
	for r := range a.damaged {
		fresh = fresh || !before[r]
	}
	a.update(func(*Status) {
		if fresh {
			clear(a.memory.Covered)
		}
		for _, k := range a.known {
			if k.state != stateDeleted {
				k.print = [sha256.Size]byte{} // look again: another copy may count now
			}
			if fresh && k.state == stateCovered {
				k.state = statePending
			}
		}
	})
	return nil
}

// distrusts says that an archived copy is none: it is damaged, or not of its
// source's bytes. The latter no verification finds, as the copy is whole, so it
// holds for as long as the source has the block.
func (a *Archiver) distrusts(tenant, id string) bool {
	r := ref{tenant, id}
	_, foreign := a.foreign[r]
	return foreign || a.damaged[r]
}

// prove reads the archived copy of b, and what b's source still has, whole, and
// says whether they are equal. When they are not, the block is taken for not
// archived and copied again, under a derived id.
func (a *Archiver) prove(ctx context.Context, b *sourceBlock) (bool, error) {
	m, err := a.copy.committed(ctx, b)
	if err != nil || m == nil {
		return false, err
	}
	if err := a.checkFilesApart(b, m); err != nil {
		return false, err
	}
	r := ref{m.Tenant, m.Block}
	damages, err := checkBlock(ctx, a.opt.Store, m, true)
	if err != nil {
		return false, err
	}
	if len(damages) > 0 {
		d := damages[0]
		a.damaged[r] = true
		a.fail(ctx, CauseCopy, fmt.Errorf("archived block %s is damaged: %s %s", r, d.File, d.What))
		return false, setMark(ctx, a.opt.Store, markDamaged, r)
	}
	a.verified[r] = a.opt.wall().Unix()
	for _, f := range b.files {
		sum, err := readSum(ctx, a.opt.Source, ObjectName(b.tenant, b.id, f.Name))
		if err != nil {
			return false, err
		}
		if want, _ := m.File(f.Name); want.SHA256 != sum {
			a.foreign[r] = ref{b.tenant, b.id}
			return false, nil
		}
	}
	return true, nil
}
