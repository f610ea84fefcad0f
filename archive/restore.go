package archive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"appliance/archive/store"
)

// restoreMarker is a file in a directory that blocks were restored to. It tells
// that directory from the storage of a Tempo, which would purge what is
// restored into it at once.
const restoreMarker = ownPrefix + "restored-by-appliance"

// RestorePlan says what Run writes where.
type RestorePlan struct {
	Dir    string  `json:"dir"`
	Blocks []Block `json:"blocks"`
	Bytes  int64   `json:"bytes"`
	// named blocks that cannot be restored, since their manifests are damaged
	Damaged []Damage `json:"damaged"`
	a       *Archive
	manifs  []*Manifest
}

// RestoreReport says what became of a restore.
type RestoreReport struct {
	Blocks       int      `json:"blocks"` // restored, or there already
	AlreadyThere int      `json:"already_there"`
	Bytes        int64    `json:"bytes"`
	Damaged      []Damage `json:"damaged"` // blocks of the archive that could not be restored
}

// PlanRestore plans to restore blocks, named by unique prefixes, to a directory
// that is new, empty, or was restored to before. It refuses the storage of a
// Tempo, and what is in or around a forbidden directory: those that some Tempo
// purges, and the archive itself. A block whose manifest is damaged is left out
// and reported.
func (a *Archive) PlanRestore(ctx context.Context, prefixes []string, dir string, forbidden ...string) (*RestorePlan, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	if u, err := url.Parse(a.store.URL()); err == nil && u.Scheme == "file" {
		forbidden = append(slices.Clone(forbidden), u.Path)
	}
	if err := checkRestoreDir(dir, forbidden); err != nil {
		return nil, err
	}
	inv, err := takeInventory(ctx, a.store)
	if err != nil {
		return nil, err
	}
	p := &RestorePlan{Dir: dir, a: a, Blocks: []Block{}, Damaged: []Damage{}}
	seen := map[ref]bool{}
	for _, prefix := range prefixes {
		r, err := inv.resolve(prefix)
		if err != nil {
			return nil, err
		}
		if seen[r] {
			continue
		}
		seen[r] = true
		m, err := ReadManifest(ctx, a.store, r.tenant, r.block)
		if isBadManifest(err) {
			p.Damaged = append(p.Damaged, Damage{r.tenant, r.block, ManifestName, err.Error()})
			continue
		} else if err != nil {
			return nil, fmt.Errorf("plan to restore block %s: %w", r, err)
		}
		p.Blocks, p.manifs = append(p.Blocks, inv.withManifest(r)), append(p.manifs, m)
		p.Bytes += m.Bytes
	}
	return p, nil
}

func checkRestoreDir(dir string, forbidden []string) error {
	real := realPath(dir)
	for _, f := range forbidden {
		abs, err := filepath.Abs(f)
		if err != nil {
			return err
		}
		if other := realPath(abs); within(real, other) || within(other, real) {
			return fmt.Errorf("restore to %s: %s belongs to the block store, to a Tempo or to the archive, which purge or own what is there; name another directory", dir, f)
		}
	}
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) || err == nil && len(entries) == 0 {
		return nil
	} else if err != nil {
		return err
	}
	if slices.ContainsFunc(entries, func(e os.DirEntry) bool { return e.Name() == restoreMarker }) {
		return nil
	}
	return fmt.Errorf("restore to %s: it is not empty and nothing was restored there before; a Tempo whose storage it is would purge the blocks", dir)
}

// realPath resolves the links of the part of a path that exists.
func realPath(path string) string {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return real
	}
	parent := filepath.Dir(path)
	if parent == path {
		return path
	}
	return filepath.Join(realPath(parent), filepath.Base(path))
}

func within(path, dir string) bool {
	rel, err := filepath.Rel(dir, path)
	return err == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator))
}

// Run restores what is planned, durably. A block appears to a Tempo with all
// its files or not at all. One that is damaged in the archive is reported and
// left out; those that are there already are not written again. The error is
// that of the store or the directory.
func (p *RestorePlan) Run(ctx context.Context, progress func(Progress)) (rep *RestoreReport, err error) {
	rep = &RestoreReport{Damaged: slices.Clone(p.Damaged)}
	if len(p.manifs) == 0 {
		return rep, nil
	}
	target, err := store.Open(ctx, (&url.URL{Scheme: "file", Path: p.Dir}).String(), store.Options{Create: true})
	if err != nil {
		return rep, err
	}
	defer func() { err = errors.Join(err, target.Close()) }()
	text := "Blocks restored from an archive. A Tempo with its compactor on purges those older than its block_retention.\n"
	if err := target.Replace(ctx, restoreMarker, []byte(text)); err != nil {
		return rep, err
	}
	done := Progress{BlocksTotal: len(p.manifs), BytesTotal: p.Bytes}
	for _, m := range p.manifs {
		done.Tenant, done.Block = m.Tenant, m.Block
		before := done.Bytes
		written, damage, err := p.restore(ctx, target, m, func(n int64) {
			done.Bytes += n
			if progress != nil {
				progress(done)
			}
		})
		if err != nil {
			return rep, fmt.Errorf("restore block %s: %w", m.Block, err)
		}
		if damage != nil {
			rep.Damaged = append(rep.Damaged, *damage)
		} else {
			rep.Blocks++
			rep.Bytes += m.Bytes
			if !written {
				rep.AlreadyThere++
			}
		}
		done.Blocks++
		done.Bytes = before + m.Bytes
	}
	if progress != nil {
		progress(done)
	}
	return rep, nil
}

func (p *RestorePlan) restore(ctx context.Context, target store.Store, m *Manifest, moved func(int64)) (written bool, _ *Damage, _ error) {
	files := slices.DeleteFunc(slices.Clone(m.Files), func(f File) bool { return f.Name == MetaName })
	meta, _ := m.File(MetaName)
	for _, f := range append(files, meta) { // meta.json last
		name := ObjectName(m.Tenant, m.Block, f.Name)
		sum, err := p.put(ctx, target, name, f, moved)
		if errors.Is(err, store.ErrExists) {
			if sum, err = readSum(ctx, target, name); err == nil && sum != f.SHA256 {
				err = fmt.Errorf("%s is there with other bytes", name)
			}
		} else if err == nil {
			written = true
		}
		switch {
		case errors.Is(err, errDamaged):
			return written, &Damage{m.Tenant, m.Block, f.Name, err.Error()}, nil
		case err != nil:
			return written, nil, err
		case sum != f.SHA256:
			return written, &Damage{m.Tenant, m.Block, f.Name, "has other bytes than were archived"}, target.Delete(ctx, name)
		}
	}
	return written, nil, nil
}

// put returns the SHA-256 of what was written.
func (p *RestorePlan) put(ctx context.Context, target store.Store, name string, f File, moved func(int64)) (string, error) {
	reading, stop := context.WithCancel(ctx)
	defer stop()
	o, err := p.a.store.Open(reading, name)
	if errors.Is(err, store.ErrNotExist) {
		return "", fmt.Errorf("%w: it is missing", errDamaged)
	} else if err != nil {
		return "", err
	}
	defer o.Close()
	if o.Size() != f.Size {
		return "", fmt.Errorf("%w: it has %d bytes instead of %d", errDamaged, o.Size(), f.Size)
	}
	// WriteTo keeps to the bandwidth limit, and takes one request of a remote store.
	from, to := io.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, err := o.WriteTo(to)
		to.CloseWithError(err)
	}()
	sum, err := target.Put(ctx, name, &countingReader{from, moved}, f.Size)
	stop() // the rest is not wanted where the name is taken
	from.Close()
	<-done
	return hexSum(sum), err
}
