package archive

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"

	"appliance/archive/store"
	"appliance/internal/block"
)

// maxMetaBytes is far above what a meta.json takes.
const maxMetaBytes = 1 << 20

var (
	// errUnfinished says that a directory is not a block yet: meta.json is written last.
	errUnfinished = errors.New("not a block yet")
	// errDamaged says that a block's own files contradict each other.
	errDamaged = errors.New("block is damaged in its source")
	// errChanged says that a block changed while it was copied.
	errChanged = errors.New("block changed in its source")
)

// sourceBlock is a block as its source had it at one moment.
type sourceBlock struct {
	tenant, id string
	text       []byte // of its meta.json
	meta       block.Meta
	marked     bool // meta.compacted.json is there: Tempo deletes it
	// meta.json is there. Both are while Tempo marks a block on an object store.
	unmarked bool
	files    []store.Entry // without the metas and the lineage, sorted by name
	bytes    int64         // of these and the metas
}

// tenants yields the tenants of a source. Other directories, such as
// that of a file system's lost files, are none.
func tenants(ctx context.Context, src Source) iter.Seq2[string, error] {
	return directories(ctx, src, ".", CheckTenant)
}

// blockIDs yields the ids of a tenant's directories, blocks or not yet.
func blockIDs(ctx context.Context, src Source, tenant string) iter.Seq2[string, error] {
	return directories(ctx, src, tenant, CheckBlock)
}

func directories(ctx context.Context, src Source, dir string, check func(string) error) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for e, err := range src.List(ctx, dir) {
			if err != nil {
				yield("", err)
				return
			}
			if e.Dir && check(e.Name) == nil && !yield(e.Name, nil) {
				return
			}
		}
	}
}

// inspect reads a block's meta and lists its files. It is errUnfinished, with
// what files there are, when there is no meta or not all of one.
func inspect(ctx context.Context, src Source, tenant, id string) (*sourceBlock, error) {
	b := &sourceBlock{tenant: tenant, id: id}
	for e, err := range src.List(ctx, tenant+"/"+id) {
		if err != nil {
			return nil, err
		}
		switch {
		case e.Dir:
			continue
		case e.Name == MetaName:
			b.unmarked = true
		case e.Name == compactedMetaName:
			b.marked = true
		case reservedName(e.Name), e.Name == lineageName, strings.HasPrefix(e.Name, "."):
			continue
		default:
			if err := CheckFile(e.Name); err != nil {
				return nil, fmt.Errorf("%w: %w", errDamaged, err)
			}
			b.files = append(b.files, e)
			b.bytes += e.Size
			continue
		}
		b.bytes += e.Size
	}
	name := MetaName
	if !b.unmarked {
		name = compactedMetaName
	}
	text, err := store.ReadFile(ctx, src, ObjectName(tenant, id, name), maxMetaBytes)
	if errors.Is(err, store.ErrNotExist) {
		return b, fmt.Errorf("%w: %d files and no %s", errUnfinished, len(b.files), MetaName)
	} else if err != nil {
		return nil, err
	}
	b.text = text
	if b.meta, err = block.ParseMeta(text); err != nil {
		return b, fmt.Errorf("%w: %w", errUnfinished, err)
	}
	if b.meta.BlockID != id || b.meta.TenantID != tenant {
		return nil, fmt.Errorf("%w: its %s is that of block %.50q of tenant %.160q", errDamaged, name, b.meta.BlockID, b.meta.TenantID)
	}
	return b, nil
}

// same says whether b and other are the same, but for a mark.
func (b *sourceBlock) same(other *sourceBlock) bool {
	if string(b.text) != string(other.text) || len(b.files) != len(other.files) {
		return false
	}
	for i := range b.files {
		if b.files[i] != other.files[i] {
			return false
		}
	}
	return true
}

// print is equal for equal metas, names and sizes.
func (b *sourceBlock) print() [sha256.Size]byte {
	h := sha256.New()
	h.Write(b.text)
	for _, f := range b.files {
		fmt.Fprintf(h, "\n%s %d", f.Name, f.Size)
	}
	return [sha256.Size]byte(h.Sum(nil))
}

func (b *sourceBlock) file(name string) (store.Entry, bool) {
	for _, f := range b.files {
		if f.Name == name {
			return f, true
		}
	}
	return store.Entry{}, false
}

// census is what the identifiers in a block's data say.
type census struct {
	spans  int64
	digest string // "" where the format's columns are not known
}

// check holds a block's files against its meta, and takes its census. What it
// can check depends on the encoding; one that it does not know must at least
// have files.
func (b *sourceBlock) check(ctx context.Context, src Source) (census, error) {
	if !strings.HasPrefix(b.meta.Format, "vParquet") {
		if len(b.files) == 0 {
			return census{}, fmt.Errorf("%w: a %s without files", errDamaged, MetaName)
		}
		return census{}, nil
	}
	data, ok := b.file(dataName)
	if !ok || data.Size != b.meta.Size {
		return census{}, fmt.Errorf("%w: %s has %d bytes, and its %s says %d", errDamaged, dataName, data.Size, MetaName, b.meta.Size)
	}
	for i := range b.meta.BloomShards {
		if _, ok := b.file(fmt.Sprintf("bloom-%d", i)); !ok {
			return census{}, fmt.Errorf("%w: bloom-%d of %d is missing", errDamaged, i, b.meta.BloomShards)
		}
	}
	o, err := src.Open(ctx, ObjectName(b.tenant, b.id, dataName))
	if err != nil {
		return census{}, err
	}
	defer o.Close()
	if err := checkParquet(o, data.Size); err != nil {
		return census{}, err
	}
	if !block.Readable(b.meta.Format) {
		return census{}, nil
	}
	c, err := takeCensus(ctx, o, data.Size)
	if err != nil && ctx.Err() == nil {
		err = fmt.Errorf("%w: %w", errDamaged, err)
	}
	return c, err
}

func takeCensus(ctx context.Context, r io.ReaderAt, size int64) (census, error) {
	var c census
	var sum uint64
	err := block.Spans(ctx, r, size, func(traceID, spanID []byte, kind int64) bool {
		c.spans++
		sum += block.Token(0, traceID, spanID, kind)
		return true
	})
	c.digest = fmt.Sprintf("%d:%016x", block.TokenVersion, sum)
	return c, err
}

// checkParquet looks at the two ends of a parquet file: the magic, and a footer
// that fits between them.
func checkParquet(r io.ReaderAt, size int64) error {
	const magic = "PAR1"
	if size < 12 {
		return fmt.Errorf("%w: %s has %d bytes", errDamaged, dataName, size)
	}
	var head [4]byte
	var tail [8]byte
	if _, err := r.ReadAt(head[:], 0); err != nil {
		return err
	}
	if _, err := r.ReadAt(tail[:], size-8); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	footer := int64(binary.LittleEndian.Uint32(tail[:4]))
	if string(head[:]) != magic || string(tail[4:]) != magic || footer > size-12 {
		return fmt.Errorf("%w: %s of %d bytes is not a parquet file", errDamaged, dataName, size)
	}
	return nil
}
