package archive

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"appliance/archive/store"
)

// copyAttempts is how often a block is copied that changes meanwhile, until the next look.
const copyAttempts = 3

// errTaken says that something else is kept under a block's id.
var errTaken = errors.New("other bytes are kept under this id")

// copier copies blocks. A block goes through these stages, and may be left in
// each of them by a crash:
//
//	seen       its meta.json is whole and fits its files
//	copied     its files are in the store, each durable with its digest taken from the bytes that were kept, and the
//	           source still says the same
//	committed  meta.json and then manifest.json are in the store
//
// Each step finds what an earlier attempt or another archiver has put, and goes
// on from there.
type copier struct {
	src    Source
	dst    store.Store
	origin string
	by     string
	now    func() time.Time
	// moved hears of bytes as they are copied.
	moved func(n int64)
	// damaged says whether the copy under an id was found damaged, so that another is needed.
	damaged func(tenant, id string) bool
}

// committed returns the manifest of the archived copy of b, or nil when there
// is none. It trusts digests, and does not read data.
func (c *copier) committed(ctx context.Context, b *sourceBlock) (*Manifest, error) {
	m, err := ReadManifest(ctx, c.dst, b.tenant, b.id)
	switch {
	case err == nil && c.isOf(m, b):
		return m, nil
	case errors.Is(err, store.ErrNotExist):
		if there, err := c.sizes(ctx, b.tenant, b.id); err != nil || len(there) == 0 {
			return nil, err
		}
	case err != nil && !isBadManifest(err):
		return nil, err
	}
	// Something else has the id, or the rest of an interrupted copy; this block
	// may be archived under a derived one.
	content, err := c.contents(ctx, b)
	if err != nil {
		return nil, err
	}
	for id := range derivedIDs(b.id, content) {
		m, err := ReadManifest(ctx, c.dst, b.tenant, id)
		if errors.Is(err, store.ErrNotExist) {
			return nil, nil
		} else if err != nil && !isBadManifest(err) {
			return nil, err
		}
		if err == nil && c.isOf(m, b) {
			return m, nil
		}
	}
	return nil, nil
}

// isOf says whether m is the manifest of b's very files, as far as names, sizes
// and meta.json tell. A marked block may have lost files already.
func (c *copier) isOf(m *Manifest, b *sourceBlock) bool {
	if m.SourceBlock() != b.id || m.SourceMeta() != hexSum(sha256.Sum256(b.text)) || c.damaged(m.Tenant, m.Block) {
		return false
	}
	for _, f := range b.files {
		if want, ok := m.File(f.Name); !ok || want.Size != f.Size {
			return false
		}
	}
	files := len(b.files) + 1
	if _, ok := m.File(lineageName); ok { // whoever archived it took it for one of the block's
		files++
	}
	return !b.unmarked || len(m.Files) == files
}

// copy archives b and returns its manifest, which says under which id.
func (c *copier) copy(ctx context.Context, b *sourceBlock) (m *Manifest, err error) {
	for range copyAttempts {
		if m, err = c.copyOnce(ctx, b); !errors.Is(err, errChanged) {
			return m, err
		}
		if b, err = inspect(ctx, c.src, b.tenant, b.id); err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("copy block %s: %w each of %d times", b.id, errChanged, copyAttempts)
}

func (c *copier) copyOnce(ctx context.Context, b *sourceBlock) (*Manifest, error) {
	found, err := b.check(ctx, c.src)
	if err != nil {
		return nil, err
	}
	m, err := c.copyAs(ctx, b, b.id, found)
	if !errors.Is(err, errTaken) {
		return m, err
	}
	content, err := c.contents(ctx, b)
	if err != nil {
		return nil, err
	}
	for id := range derivedIDs(b.id, content) {
		if m, err = c.copyAs(ctx, b, id, found); !errors.Is(err, errTaken) {
			return m, err
		}
	}
	return nil, fmt.Errorf("archive block %s: %w, and under %d derived ones", b.id, errTaken, deriveAttempts)
}

// copyAs copies b under an id, its own or a derived one, and commits it.
func (c *copier) copyAs(ctx context.Context, b *sourceBlock, id string, found census) (*Manifest, error) {
	switch m, err := ReadManifest(ctx, c.dst, b.tenant, id); {
	case err == nil && c.isOf(m, b):
		return m, nil
	case err == nil, isBadManifest(err):
		return nil, errTaken
	case !errors.Is(err, store.ErrNotExist):
		return nil, err
	}
	m := &Manifest{
		Tenant: b.tenant, Block: id, Encoding: b.meta.Format,
		Start: b.meta.StartTime.UTC(), End: b.meta.EndTime.UTC(),
		Traces: b.meta.TotalObjects, Spans: found.spans, SpanDigest: found.digest,
		CompactionLevel: b.meta.CompactionLevel, Origin: c.origin,
		ArchivedAt: c.now().UTC().Truncate(time.Second), ArchivedBy: c.by,
	}
	text := b.text
	if id != b.id {
		m.Derived = &Derived{Block: b.id, MetaSHA256: hexSum(sha256.Sum256(b.text))}
		var err error
		if text, err = renamed(b.text, b.id, id); err != nil {
			return nil, err
		}
	}
	// It may have been pruned once; what is copied now must not be taken for what that left.
	if err := clearMark(ctx, c.dst, markPrune, ref{b.tenant, id}); err != nil {
		return nil, err
	}
	there, err := c.sizes(ctx, b.tenant, id)
	if err != nil {
		return nil, err
	}
	for _, f := range b.files {
		file, err := c.file(ctx, b, f, id, there)
		if err != nil {
			return nil, err
		}
		m.Files = append(m.Files, file)
	}
	if again, err := inspect(ctx, c.src, b.tenant, b.id); errors.Is(err, errUnfinished) || err == nil && !again.same(b) {
		return nil, errChanged
	} else if err != nil {
		return nil, err
	}
	file, err := c.text(ctx, ObjectName(b.tenant, id, MetaName), text)
	if err != nil {
		return nil, err
	}
	file.Name = MetaName
	m.Files = append(m.Files, file)
	return c.commit(ctx, m)
}

func (c *copier) commit(ctx context.Context, m *Manifest) (*Manifest, error) {
	text, err := EncodeManifest(m)
	if err != nil {
		return nil, err
	}
	_, err = c.dst.Put(ctx, ObjectName(m.Tenant, m.Block, ManifestName), bytes.NewReader(text), int64(len(text)))
	if !errors.Is(err, store.ErrExists) {
		return m, err
	}
	// Another archiver was faster. Its manifest differs in who and when, which does no harm.
	theirs, err := ReadManifest(ctx, c.dst, m.Tenant, m.Block)
	if err == nil && slices.Equal(theirs.Files, m.Files) {
		return theirs, nil
	}
	if err == nil || isBadManifest(err) {
		return nil, errTaken
	}
	return nil, err
}

// file copies one file, or accepts the one that is there if it has the same bytes.
func (c *copier) file(ctx context.Context, b *sourceBlock, f store.Entry, id string, there map[string]int64) (File, error) {
	name := ObjectName(b.tenant, id, f.Name)
	o, err := c.src.Open(ctx, ObjectName(b.tenant, b.id, f.Name))
	if errors.Is(err, store.ErrNotExist) {
		return File{}, fmt.Errorf("%w: %s is gone", errChanged, f.Name)
	} else if err != nil {
		return File{}, err
	}
	defer o.Close()
	if o.Size() != f.Size {
		return File{}, fmt.Errorf("%w: %s has %d bytes instead of %d", errChanged, f.Name, o.Size(), f.Size)
	}
	if _, ok := there[f.Name]; !ok {
		sum, err := c.dst.Put(ctx, name, c.reader(o), f.Size)
		if err == nil {
			return File{Name: f.Name, Size: f.Size, SHA256: hexSum(sum)}, nil
		} else if !errors.Is(err, store.ErrExists) {
			return File{}, fmt.Errorf("copy %s: %w", name, err)
		}
	}
	ours, err := digest(o)
	if err != nil {
		return File{}, err
	}
	theirs, err := c.dst.Open(ctx, name)
	if err != nil {
		return File{}, err
	}
	defer theirs.Close()
	if theirs.Size() != f.Size {
		return File{}, errTaken
	}
	if sum, err := digest(theirs); err != nil {
		return File{}, err
	} else if sum != ours {
		return File{}, errTaken
	}
	c.moved(f.Size)
	return File{Name: f.Name, Size: f.Size, SHA256: ours}, nil
}

// text puts a small file, or accepts the one that is there if it has the same bytes.
func (c *copier) text(ctx context.Context, name string, text []byte) (File, error) {
	file := File{Size: int64(len(text)), SHA256: hexSum(sha256.Sum256(text))}
	_, err := c.dst.Put(ctx, name, bytes.NewReader(text), file.Size)
	if errors.Is(err, store.ErrExists) {
		var theirs []byte
		if theirs, err = store.ReadFile(ctx, c.dst, name, maxMetaBytes); err == nil && !bytes.Equal(theirs, text) {
			err = errTaken
		}
	}
	if err == nil {
		c.moved(file.Size)
	}
	return file, err
}

// reader is what Put is given. A local file is handed over as it is, since a
// local store can share its bytes.
func (c *copier) reader(o store.Object) io.Reader {
	if local, ok := o.(*dirObject); ok && strings.HasPrefix(c.dst.URL(), "file:") {
		c.moved(local.size)
		return local.File
	}
	return &countingReader{io.NewSectionReader(o, 0, o.Size()), c.moved}
}

type countingReader struct {
	r     io.Reader
	moved func(int64)
}

func (r *countingReader) Read(p []byte) (int, error) {
	n, err := r.r.Read(p)
	r.moved(int64(n))
	return n, err
}

func (c *copier) sizes(ctx context.Context, tenant, id string) (map[string]int64, error) {
	there := map[string]int64{}
	for e, err := range c.dst.List(ctx, tenant+"/"+id) {
		if err != nil {
			return nil, err
		}
		if !e.Dir {
			there[e.Name] = e.Size
		}
	}
	return there, nil
}
