package blockdir

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/google/uuid"

	"appliance/internal/block"
	"appliance/internal/durable"
)

const (
	blocksName  = "blocks"
	sealedName  = "sealed"
	damagedName = "damaged"
	maxMeta     = 1 << 20 // bytes of a meta.json
)

// Block is one that is durable.
type Block struct {
	Tenant, ID string
	Meta       block.Meta
	Written    time.Time // when Tempo wrote its meta.json, the last of it

	path string
	fs   durable.FS
}

// Spans calls visit for each span of the block until it returns false; see block.Spans.
func (b Block) Spans(visit func(traceID, spanID []byte, kind int64) bool) error {
	f, err := b.fs.OpenFile(filepath.Join(b.path, block.DataName), os.O_RDONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return err
	}
	if err := block.Spans(context.Background(), f, size, visit); err != nil {
		return fmt.Errorf("block %s of tenant %s: %w", b.ID, b.Tenant, err)
	}
	return nil
}

// Dir is the directory of Tempo's files. It is for one goroutine.
type Dir struct {
	root   string
	fs     durable.FS
	logger *slog.Logger
	known  map[key]bool // blocks that Next has returned or need not return
}

type key struct{ tenant, id string }

// New makes a Dir of the directory that holds Tempo's blocks/. fsys nil is durable.OS.
func New(root string, fsys durable.FS, logger *slog.Logger) *Dir {
	if fsys == nil {
		fsys = durable.OS
	}
	return &Dir{root: root, fs: fsys, logger: logger, known: map[key]bool{}}
}

// Next returns the blocks that Tempo has completed since the last call, each once, all of them durable. After an error
// the rest is returned by a later call.
func (d *Dir) Next(ctx context.Context) ([]Block, error) {
	found := map[key]bool{}
	var blocks []Block
	var failed error
	err := d.each(func(k key) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		if d.known[k] {
			found[k] = true
			return nil
		}
		b, err := d.read(k)
		if b != nil && err == nil {
			err = d.seal(k)
		}
		switch {
		case errors.Is(err, errNotSynced):
			found[k], d.known[k] = true, true // should moving it fail
			failed = errors.Join(err, d.setAside(k, err))
			return nil
		case err != nil && !errors.Is(err, fs.ErrNotExist): // which it is when Tempo deletes the block just now
			failed = err // a full disk, say; it need not hold back the others
			return nil
		case err != nil || b == nil:
			return nil
		}
		found[k] = true
		blocks = append(blocks, *b)
		return nil
	})
	if err == nil {
		d.unseal(found)
		d.known = found // forgets those that were deleted
	} else {
		for _, b := range blocks {
			d.known[key{b.Tenant, b.ID}] = true
		}
	}
	return blocks, errors.Join(err, failed)
}

// each calls visit for each directory that may be a block. Blocks have UUIDs for names; what has another is not Tempo's.
func (d *Dir) each(visit func(key) error) error {
	tenants, err := d.dirs(d.path(blocksName))
	if err != nil {
		return err
	}
	for _, tenant := range tenants {
		ids, err := d.dirs(d.path(blocksName, tenant))
		if err != nil {
			return err
		}
		for _, id := range ids {
			if uuid.Validate(id) != nil {
				continue
			}
			if err := visit(key{tenant, id}); err != nil {
				return err
			}
		}
	}
	return nil
}

// dirs lists the directories in a directory; none if it is missing.
func (d *Dir) dirs(name string) ([]string, error) {
	entries, err := d.fs.ReadDir(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, fmt.Errorf("list %s: %w", name, err)
	}
	var names []string
	for _, e := range entries {
		if e.IsDir() {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// read returns a block that is complete, nil where Tempo has not finished it, or marked it for deletion.
func (d *Dir) read(k key) (*Block, error) {
	dir := d.path(blocksName, k.tenant, k.id)
	entries, err := d.fs.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, fmt.Errorf("list %s: %w", dir, err)
	}
	for _, e := range entries {
		if e.Name() != block.MetaName {
			continue
		}
		info, err := e.Info()
		if err != nil {
			return nil, nil // just deleted
		}
		text, err := durable.ReadFile(d.fs, filepath.Join(dir, block.MetaName), maxMeta)
		if err != nil {
			return nil, fmt.Errorf("read meta.json of block %s: %w", k.id, err)
		}
		meta, err := block.ParseMeta(text)
		if err != nil {
			return nil, nil // half-written; the rest is coming, or Recover finds it
		}
		return &Block{Tenant: k.tenant, ID: k.id, Meta: meta, Written: info.ModTime(), path: dir, fs: d.fs}, nil
	}
	return nil, nil
}

func (d *Dir) path(elem ...string) string { return filepath.Join(append([]string{d.root}, elem...)...) }
