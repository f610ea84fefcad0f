package block

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"

	"appliance/internal/block/parquet"
)

// ErrDamaged says that a block's files contradict each other or their format.
var ErrDamaged = errors.New("block is damaged")

// ErrNotFound says that a trace is not in the block.
var ErrNotFound = errors.New("trace is not in the block")

// maxMetaBytes is far above what a meta.json takes.
const maxMetaBytes = 1 << 20

// Options say how a block is read. The zero value is right for a local disk.
type Options struct {
	// Parallel is how many ranges of a file are asked for at the same time when
	// a trace is read. Where each takes a round trip, 16 is good. Default 1.
	Parallel int
	// Gap is how many bytes that are not needed are read along rather than
	// asking for two ranges. Default 4 KiB.
	Gap int
	// Memory is where the buffers of Verify come from. Default: the system.
	Memory *Memory
	// Readers is the memory that traces are read with. Default: the block's own.
	Readers *Readers
}

func (o Options) withDefaults() Options {
	if o.Parallel < 1 {
		o.Parallel = 1
	}
	if o.Gap == 0 {
		o.Gap = 4 << 10
	}
	if o.Readers == nil {
		o.Readers = &Readers{}
	}
	return o
}

// Block is a block that is open for reading. It holds its metadata in memory,
// and what it needs again to read a trace. Its methods may be called at the same time.
type Block struct {
	src     Source
	opts    Options
	meta    Meta
	layout  *layout
	file    *parquet.File
	columns []int // of the file, for each column of the layout's schema

	shapes     []atomic.Pointer[Shape] // of row groups, as far as they were read
	shapeBytes atomic.Int64            // that they take
}

// Open reads meta.json, or meta.compacted.json where there is no other, and the
// footer of the data. ErrFormat says that the format is not known here,
// ErrDamaged that the two do not belong together. The source must stay open as
// long as the block is used.
func Open(ctx context.Context, src Source, opts Options) (*Block, error) {
	meta, err := ReadMeta(ctx, src)
	if err != nil {
		return nil, err
	}
	return OpenMeta(ctx, src, meta, opts)
}

// OpenMeta opens a block whose meta.json was read already.
func OpenMeta(ctx context.Context, src Source, meta Meta, opts Options) (*Block, error) {
	b := &Block{src: src, opts: opts.withDefaults(), meta: meta}
	if b.layout = layoutOf(&meta); b.layout == nil {
		return nil, fmt.Errorf("%w %q", ErrFormat, meta.Format)
	}
	size, err := src.Size(ctx, DataName)
	if err != nil {
		return nil, err
	}
	if size != meta.Size {
		return nil, fmt.Errorf("%w: %s has %d bytes, and %s says %d", ErrDamaged, DataName, size, MetaName, meta.Size)
	}
	if b.file, err = parquet.Open(ctx, file{src, DataName}, size); err != nil {
		return nil, damaged(fmt.Errorf("open %s of %d bytes: %w", DataName, size, err))
	}
	if b.columns, err = match(b.layout.schema, b.file); err != nil {
		return nil, err
	}
	if b.file.Rows != meta.TotalObjects {
		return nil, fmt.Errorf("%w: %s has %d traces, and %s says %d", ErrDamaged, DataName, b.file.Rows, MetaName, meta.TotalObjects)
	}
	b.shapes = make([]atomic.Pointer[Shape], len(b.file.Groups))
	return b, nil
}

// damaged marks an error of the parquet package that tells of damage.
func damaged(err error) error {
	if errors.Is(err, parquet.ErrDamaged) {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return err
}

// ReadMeta reads meta.json, or meta.compacted.json where there is no other.
func ReadMeta(ctx context.Context, src Source) (Meta, error) {
	text, err := readFile(ctx, src, MetaName, maxMetaBytes)
	if err != nil {
		compacted, other := readFile(ctx, src, CompactedMetaName, maxMetaBytes)
		if other != nil {
			return Meta{}, err
		}
		text = compacted
	}
	meta, err := ParseMeta(text)
	if err != nil {
		return Meta{}, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return meta, nil
}

// match finds the columns of a schema in a file. Columns that the schema does
// not have are passed over.
func match(schema *Schema, f *parquet.File) ([]int, error) {
	byPath := make(map[string]int, len(f.Columns))
	for i := range f.Columns {
		byPath[f.Columns[i].Path] = i
	}
	columns := make([]int, len(schema.Columns))
	for i := range schema.Columns {
		want := &schema.Columns[i]
		path := strings.Join(want.Path, ".")
		at, ok := byPath[path]
		if !ok {
			return nil, fmt.Errorf("%w: %s has no column %s", ErrDamaged, DataName, path)
		}
		got := &f.Columns[at]
		if got.Type != want.Type || got.MaxRep != want.MaxRep || got.MaxDef != want.MaxDef {
			return nil, fmt.Errorf("%w: column %s is of type %d with levels up to %d and %d", ErrDamaged, path, got.Type, got.MaxRep, got.MaxDef)
		}
		columns[i] = at
	}
	return columns, nil
}

// Meta is what meta.json says. It must not be changed.
func (b *Block) Meta() *Meta { return &b.meta }

// chunk returns the chunk of a role's column in a row group, or nil where the
// format has no such column.
func (b *Block) chunk(group int, r Role) *parquet.Chunk {
	i := b.layout.schema.Column(r)
	if i < 0 {
		return nil
	}
	return &b.file.Groups[group].Chunks[b.columns[i]]
}
