package block

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"appliance/internal/durable"
)

// ErrSpan says that a span cannot be in a block.
var ErrSpan = errors.New("span that no block can hold")

// BuilderOptions say what a Builder makes, and how. A field that is 0 means its
// default.
type BuilderOptions struct {
	FS      durable.FS // default durable.OS
	Dir     string     // the block becomes Dir/Tenant/BlockID
	Tenant  string
	BlockID string // a UUID

	// RowGroupBytes is about how much memory the encoded pages and the
	// dictionaries of a row group may take. Default 8 MiB.
	RowGroupBytes int
	// PageSpans is after how many spans each column gets a new page, at the next
	// trace. A trace is found faster in small pages, large ones compress
	// better. Default 4096.
	PageSpans int
	// TraceBytes is how many bytes of one trace the block takes, as they are on the
	// wire with 300 bytes for each span. Default 8 MiB.
	TraceBytes int
	// Overflow gets the spans of traces that take more than that, as records that
	// another Builder takes, and must not keep them. Without it such a trace fails
	// the block.
	Overflow func(record []byte) error

	// Memory is where buffers come from. Default: the system.
	Memory *Memory
	// KeepCopies leaves copies in the block: spans whose bytes, resource and
	// scope are equal to those of another.
	KeepCopies bool
	// DigestKey is the key of the block's digest.
	DigestKey uint64

	CompactionLevel   int // for meta.json
	ReplicationFactor int // for meta.json; TraceQL metrics of Tempo read 1 alone, its search 0

	// What only tests change; zero is the default.
	// of memory for spans that are not sorted yet: 4 MiB; their order takes up to
	// half as much besides. A block whose spans fit needs no file for sorting
	sortBytes int
}

const (
	defaultSortBytes     = 4 << 20
	defaultRowGroupBytes = 8 << 20
	defaultPageSpans     = 4096
	defaultTraceBytes    = 8 << 20

	spanOverhead = 300 // bytes of memory that a span takes beside its own
)

func (o BuilderOptions) withDefaults() BuilderOptions {
	if o.FS == nil {
		o.FS = durable.OS
	}
	for _, d := range []struct {
		field *int
		value int
	}{
		{&o.sortBytes, defaultSortBytes}, {&o.RowGroupBytes, defaultRowGroupBytes}, {&o.PageSpans, defaultPageSpans},
		{&o.TraceBytes, defaultTraceBytes},
	} {
		if *d.field == 0 {
			*d.field = d.value
		}
	}
	return o
}

// Stats is what became of the spans that a Builder was given. Added = Spans +
// Copies + Overflowed.
type Stats struct {
	Added      int64 // spans
	Spans      int64 // in the block
	Copies     int64 // spans that were removed, being equal to another
	Overflowed int64 // spans that went to Overflow
	Traces     int64
	RowGroups  int
	Bytes      int64 // of all files of the block
	Lost       Lost
	Digest     Digest // of the spans in the block; a Merger has none
	Removed    Digest // of the copies
}

// Lost counts what the format cannot hold. Nothing of this loses a span.
type Lost struct {
	Flags      int64 // spans whose flags were not 0
	LinkFlags  int64 // links whose flags were not 0
	Schemas    int64 // spans whose resource or scope had a schema URL
	Unknown    int64 // spans with fields that the protocol did not have yet
	Attributes int64 // earlier ones of the same key, where a column holds one alone
}

// Builder makes one block of one tenant. Its memory is bounded by its options,
// whatever the number of spans, but for some 20 bytes a trace. It is not safe
// for concurrent use.
type Builder struct {
	opts   BuilderOptions
	dir    string // of the block
	ingest ingest
	failed error // of an earlier call; nothing goes on after it
	done   bool
}

// NewBuilder makes the directory of a block, which must not hold a block yet.
func NewBuilder(opts BuilderOptions) (*Builder, error) {
	o := opts.withDefaults()
	dir, err := o.makeDir()
	if err != nil {
		return nil, err
	}
	b := &Builder{opts: o, dir: dir}
	b.ingest = newIngest(o.DigestKey)
	b.ingest.sorter = newSorter(o.FS, filepath.Join(b.dir, sortName), o.sortBytes)
	return b, nil
}

// makeDir makes the directory of a block, and returns it.
func (o *BuilderOptions) makeDir() (string, error) {
	if o.Dir == "" || o.Tenant == "" || o.BlockID == "" {
		return "", fmt.Errorf("build block %q of tenant %q in %q: all three have to be given", o.BlockID, o.Tenant, o.Dir)
	}
	dir := filepath.Join(o.Dir, o.Tenant, o.BlockID)
	if err := durable.MkdirAll(o.FS, dir, 0o755); err != nil {
		return "", fmt.Errorf("make the directory of block %s: %w", o.BlockID, err)
	}
	names, err := o.FS.ReadDir(dir)
	if err != nil {
		return "", fmt.Errorf("look for an earlier block %s: %w", o.BlockID, err)
	}
	for _, n := range names {
		if n.Name() == MetaName {
			return "", fmt.Errorf("build block %s in %s: a block of that id is there already", o.BlockID, dir)
		}
	}
	return dir, nil
}

// removeDir removes all that was written of a block.
func (o *BuilderOptions) removeDir(dir string) error {
	names, err := o.FS.ReadDir(dir)
	for _, n := range names {
		err = errors.Join(err, o.FS.Remove(filepath.Join(dir, n.Name())))
	}
	return errors.Join(err, durable.Remove(o.FS, dir))
}

// sortName is the file of the spans while they are sorted. It is removed before
// the block is visible.
const sortName = "sort.tmp"

// Add adds the spans of a record: the bytes of an ExportTraceServiceRequest, or
// TracesData. A trace may be split over any records. The record may be reused
// after. Of a record that is malformed down to the fields of its spans, or has
// a span without a trace id of 1 to 16 bytes (ErrSpan), nothing is added; what
// is malformed within attributes, events and links makes Finish fail. After any
// other error the block can only be aborted.
func (b *Builder) Add(record []byte) error {
	if b.failed != nil {
		return b.failed
	}
	if b.done {
		return errors.New("add to a block that is finished")
	}
	if err := b.ingest.record(record); err != nil {
		return err
	}
	if err := b.ingest.commit(); err != nil {
		b.failed = fmt.Errorf("build block %s: %w", b.opts.BlockID, err)
	}
	return b.failed
}

// Finish writes the block: when it returns nil, all files and names are synced,
// meta.json last. After an error, also of ctx, the block is not visible and can
// only be aborted. A block of no spans is an error.
func (b *Builder) Finish(ctx context.Context) (*Meta, Stats, error) {
	if b.failed != nil {
		return nil, Stats{}, b.failed
	}
	if b.done {
		return nil, Stats{}, errors.New("finish a block that is finished")
	}
	meta, stats, err := b.finish(ctx)
	if err != nil {
		b.failed = fmt.Errorf("build block %s: %w", b.opts.BlockID, err)
		return nil, Stats{}, b.failed
	}
	b.done = true
	return meta, stats, nil
}

// Abort removes all that was written. After Finish has succeeded it does
// nothing.
func (b *Builder) Abort() error {
	if b.done {
		return nil
	}
	b.failed = errors.New("use of a block that was aborted")
	if err := errors.Join(b.ingest.sorter.close(), b.opts.removeDir(b.dir)); err != nil {
		return fmt.Errorf("abort block %s: %w", b.opts.BlockID, err)
	}
	return nil
}

func (b *Builder) finish(ctx context.Context) (*Meta, Stats, error) {
	o := &b.opts
	if b.ingest.spans == 0 {
		return nil, Stats{}, errors.New("no spans were added")
	}
	columns := o.Memory.newColumns()
	w := &blockWriter{opts: o, dir: b.dir, ingest: &b.ingest}
	w.shredder.columns = columns
	w.shredder.key = o.DigestKey
	meta, err := w.write(ctx)
	if err != nil {
		return nil, Stats{}, errors.Join(err, w.close())
	}
	o.Memory.keepColumns(columns)
	stats := w.stats
	stats.Added = b.ingest.spans
	stats.Lost = w.shredder.lost
	stats.Lost.Schemas = b.ingest.lost.Schemas
	stats.Digest, stats.Removed = w.shredder.digest, w.shredder.removed
	return meta, stats, nil
}

// seconds is the time of whole seconds at or before one in unix nanoseconds,
// which is unsigned.
func seconds(nanos uint64) time.Time { return time.Unix(int64(nanos/1e9), 0).UTC() }
