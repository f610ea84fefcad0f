package read

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"sync"

	"github.com/google/uuid"
	"github.com/grafana/tempo/tempodb/backend"
	"github.com/grafana/tempo/tempodb/encoding"
	"github.com/grafana/tempo/tempodb/encoding/common"

	"appliance/archive/store"
)

// An openBlock is one block, open for Tempo's code for the time of one visit.
type openBlock struct {
	common.BackendBlock
	files *blockFiles
}

func (o *openBlock) close() { o.files.close() }

// openBlock opens a block by the encoding that its meta.json names.
func (r *Reader) openBlock(ctx context.Context, tenant string, b *block) (*openBlock, error) {
	files := &blockFiles{ctx: ctx, store: r.store, objects: map[string]store.Object{}}
	reader := backend.NewReader(files)
	meta, err := reader.BlockMeta(ctx, b.id, tenant)
	if err != nil {
		files.close()
		return nil, fmt.Errorf("read its %s: %w", backend.MetaName, err)
	}
	// Where it stands says which block it is.
	meta.BlockID, meta.TenantID = backend.UUID(b.id), tenant
	opened, err := encoding.OpenBlock(meta, reader)
	if err != nil {
		files.close()
		return nil, err
	}
	return &openBlock{opened, files}, nil
}

// blockFiles is Tempo's backend.RawReader over a store. It opens each file once, for a remote store would make a
// request of each opening.
type blockFiles struct {
	ctx   context.Context
	store store.Store

	mu      sync.Mutex
	objects map[string]store.Object
	closed  bool
}

var _ backend.RawReader = (*blockFiles)(nil)

func (f *blockFiles) object(name string, keypath backend.KeyPath) (store.Object, error) {
	full := path.Join(path.Join(keypath...), name)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return nil, errors.New("the block is closed")
	}
	if o, ok := f.objects[full]; ok {
		return o, nil
	}
	o, err := f.store.Open(f.ctx, full)
	if errors.Is(err, store.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w", full, backend.ErrDoesNotExist)
	}
	if err != nil {
		return nil, err
	}
	f.objects[full] = o
	return o, nil
}

func (f *blockFiles) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	for _, o := range f.objects {
		o.Close()
	}
}

// Read opens a whole file.
func (f *blockFiles) Read(_ context.Context, name string, keypath backend.KeyPath, _ *backend.CacheInfo) (io.ReadCloser, int64, error) {
	o, err := f.object(name, keypath)
	if err != nil {
		return nil, -1, err
	}
	return io.NopCloser(io.NewSectionReader(o, 0, o.Size())), o.Size(), nil
}

// ReadRange fills buffer from offset on.
func (f *blockFiles) ReadRange(ctx context.Context, name string, keypath backend.KeyPath, offset uint64, buffer []byte, _ *backend.CacheInfo) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	o, err := f.object(name, keypath)
	if err != nil {
		return err
	}
	if size := uint64(o.Size()); offset > size || uint64(len(buffer)) > size-offset {
		return fmt.Errorf("read %d bytes at %d of %s, which has %d: %w", len(buffer), offset, name, size, io.ErrUnexpectedEOF)
	}
	if n, err := o.ReadAt(buffer, int64(offset)); n < len(buffer) {
		return fmt.Errorf("read %d bytes at %d of %s: %w", len(buffer), offset, name, err)
	}
	return nil
}

// List returns the directories below keypath.
func (f *blockFiles) List(ctx context.Context, keypath backend.KeyPath) ([]string, error) {
	var names []string
	for e, err := range f.store.List(ctx, path.Join(".", path.Join(keypath...))) {
		if err != nil {
			return nil, err
		}
		if e.Dir {
			names = append(names, e.Name)
		}
	}
	return names, nil
}

// ListBlocks is not needed for one block: a Reader lists by manifests.
func (f *blockFiles) ListBlocks(context.Context, string) ([]uuid.UUID, []uuid.UUID, error) {
	return nil, nil, errors.ErrUnsupported
}

// Find is not needed for reading.
func (f *blockFiles) Find(context.Context, backend.KeyPath, backend.FindFunc) error {
	return errors.ErrUnsupported
}

// Shutdown has nothing to do.
func (f *blockFiles) Shutdown() {}
