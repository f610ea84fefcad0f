package archive

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"

	"appliance/archive/store"
)

// donor has the right bytes of a file.
type donor struct {
	src  Source
	name string
	file File
	text []byte // of a small file that has to be changed; nil: as it is there
}

// findDonor looks for the right bytes of one file.
func (p *RepairPlan) findDonor(
	ctx context.Context, m *Manifest, f File, copies []*Manifest, sources []Source,
) error {
	type place struct {
		src   Source
		block string
	}
	var places []place
	for _, c := range copies {
		places = append(places, place{p.a.store, c.Block})
	}
	for _, src := range sources {
		places = append(places, place{src, m.Block})
		if m.SourceBlock() != m.Block {
			places = append(places, place{src, m.SourceBlock()})
		}
	}
	for _, at := range places {
		names := []string{f.Name}
		if f.Name == MetaName {
			names = append(names, compactedMetaName)
		}
		for _, name := range names {
			d := donor{src: at.src, name: ObjectName(m.Tenant, at.block, name), file: f}
			right, err := d.has(ctx, at.block, m.Block)
			if err != nil {
				return err
			}
			if right {
				p.donors[f.Name] = d
				from := m.Tenant + "/" + at.block + " at " + at.src.URL()
				p.Files = append(p.Files, RepairFile{f.Name, from})
				return nil
			}
		}
	}
	p.Lost = append(p.Lost, f.Name)
	return nil
}

// has says whether the donor has the file's bytes, of a meta.json but for the
// block's id.
func (d *donor) has(ctx context.Context, block, wanted string) (bool, error) {
	if d.file.Name == MetaName {
		text, err := store.ReadFile(ctx, d.src, d.name, maxMetaBytes)
		if errors.Is(err, store.ErrNotExist) {
			return false, nil
		} else if err != nil {
			return false, err
		}
		if block != wanted {
			if text, err = renamed(text, block, wanted); err != nil {
				return false, nil // it is another's
			}
		}
		d.text = text
		return hexSum(sha256.Sum256(text)) == d.file.SHA256, nil
	}
	sum, err := readSum(ctx, d.src, d.name)
	if errors.Is(err, store.ErrNotExist) {
		return false, nil
	}
	return sum == d.file.SHA256, err
}

// give puts the right bytes in the place of the wrong ones.
func (d *donor) give(ctx context.Context, s store.Store, r ref) error {
	name := ObjectName(r.tenant, r.block, d.file.Name)
	if d.text != nil {
		return put(ctx, s, name, bytes.NewReader(d.text), d.file.Size, d.file.SHA256)
	}
	o, err := d.src.Open(ctx, d.name)
	if err != nil {
		return err
	}
	defer o.Close()
	return put(ctx, s, name, io.NewSectionReader(o, 0, o.Size()), d.file.Size, d.file.SHA256)
}

// put replaces an object by bytes that must have a sum.
func put(ctx context.Context, s store.Store, name string, r io.Reader, size int64, want string) error {
	if err := s.Delete(ctx, name); err != nil {
		return err
	}
	sum, err := s.Put(ctx, name, r, size)
	if err == nil && hexSum(sum) != want {
		err = fmt.Errorf("put %s: the bytes changed while they were read", name)
		err = errors.Join(err, s.Delete(ctx, name))
	}
	return err
}
