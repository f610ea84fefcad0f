package block

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"appliance/internal/durable"
)

// blockWriter writes the sorted spans of an ingest as a block.
type blockWriter struct {
	opts     *BuilderOptions
	dir      string
	ingest   *ingest
	shredder shredder
	data     *dataFile
	loader   *loader
	stats    Stats

	pageSpans, pageRows int // that are in no page yet
	pageBytes           int
	rows                int64 // of the row group
	last                [16]byte
	index               [][]byte // last trace id of each row group
	ids                 []byte   // of all traces
	start, end          uint64   // bounds of all traces
}

// maxPageBytes is after how many bytes of spans, as they are on the wire, each
// column gets a new page.
const maxPageBytes = 4 << 20

// write writes the spans of the ingest.
func (w *blockWriter) write(ctx context.Context) (*Meta, error) {
	if err := w.open(); err != nil {
		return nil, err
	}
	if err := w.traces(ctx); err != nil {
		return nil, err
	}
	return w.finish()
}

// open begins the file of the data.
func (w *blockWriter) open() error {
	name := filepath.Join(w.dir, DataName)
	file, err := w.opts.FS.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return fmt.Errorf("create %s: %w", DataName, err)
	}
	if w.data, err = newDataFile(file, name, w.shredder.columns.schema); err != nil {
		return errors.Join(err, file.Close())
	}
	return nil
}

// finish writes what is not written yet, and makes the block visible.
func (w *blockWriter) finish() (*Meta, error) {
	w.flushPages()
	if err := w.flushRowGroup(); err != nil {
		return nil, err
	}
	footer, err := w.data.finish()
	if err != nil {
		return nil, err
	}
	err = w.data.file.Close()
	if w.ingest.sorter != nil {
		err = errors.Join(err, w.ingest.sorter.close())
	}
	if err != nil {
		return nil, err
	}
	shards, err := w.sidecars()
	if err != nil {
		return nil, err
	}
	meta := &Meta{
		Format: FormatVParquet4, BlockID: w.opts.BlockID, TenantID: w.opts.Tenant,
		StartTime: seconds(w.start), EndTime: seconds(w.end), TotalObjects: w.stats.Traces, Size: w.data.size,
		CompactionLevel: w.opts.CompactionLevel, Encoding: "none", TotalRecords: w.stats.RowGroups,
		BloomShards: shards, FooterSize: footer, ReplicationFactor: w.opts.ReplicationFactor,
	}
	return meta, w.publish(meta)
}

// close closes what a failed write has left open.
func (w *blockWriter) close() (err error) {
	if w.ingest.sorter != nil {
		err = w.ingest.sorter.close()
	}
	if w.data != nil {
		_ = w.data.file.Close() // closed already, or of no use
	}
	return err
}

// traces writes all traces as rows.
func (w *blockWriter) traces(ctx context.Context) error {
	source, err := w.ingest.sorter.frames()
	if err != nil {
		return err
	}
	w.loader = newLoader(w.ingest, source, w.opts)
	w.shredder.words = &w.ingest.compactor.words
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		t, err := w.loader.next()
		if err != nil {
			return err
		}
		if t == nil {
			break
		}
		if err := w.trace(t); err != nil {
			return err
		}
	}
	w.stats.Copies, w.stats.Overflowed = w.loader.copies, w.loader.overflowed
	return nil
}

func (w *blockWriter) trace(t *trace) error {
	if err := w.room(len(t.spans), w.loader.bytes); err != nil {
		return err
	}
	t.finish()
	if err := t.write(&w.shredder); err != nil {
		return err
	}
	w.row(&t.id, len(t.spans), w.loader.bytes, t.start, t.end)
	return nil
}

// room ends the page and the row group before a trace that would make them too
// large.
func (w *blockWriter) room(spans, bytes int) error {
	if w.pageRows > 0 && (w.pageSpans+spans > w.opts.PageSpans || w.pageBytes+bytes > maxPageBytes) {
		w.flushPages()
		if w.shredder.columns.size() > w.opts.RowGroupBytes {
			return w.flushRowGroup()
		}
	}
	return nil
}

// row takes note of a trace that was written.
func (w *blockWriter) row(id *[16]byte, spans, bytes int, start, end uint64) {
	w.pageRows++
	w.pageSpans += spans
	w.pageBytes += bytes
	if w.stats.Traces == 0 || start < w.start {
		w.start = start
	}
	w.end = max(w.end, end)
	w.stats.Traces++
	w.stats.Spans += int64(spans)
	w.ids = append(w.ids, id[:]...)
	w.last = *id
}

func (w *blockWriter) flushPages() {
	w.shredder.columns.flush(w.pageRows)
	w.rows += int64(w.pageRows)
	w.pageRows, w.pageSpans, w.pageBytes = 0, 0, 0
}

func (w *blockWriter) flushRowGroup() error {
	if err := w.data.rowGroup(w.shredder.columns, w.rows); err != nil {
		return err
	}
	w.shredder.columns.nextRowGroup()
	w.rows = 0
	w.stats.RowGroups++
	w.index = append(w.index, append([]byte(nil), w.last[:]...))
	return nil
}

// sidecars writes the bloom filters and the index. It returns the number of
// filters.
func (w *blockWriter) sidecars() (int, error) {
	filters := newBlooms(int(w.stats.Traces))
	for ids := w.ids; len(ids) > 0; ids = ids[16:] {
		filters.add((*[16]byte)(ids))
	}
	for i, data := range filters.shards {
		if err := w.file(BloomName(i), data); err != nil {
			return 0, err
		}
	}
	index, err := json.Marshal(struct {
		RowGroups [][]byte `json:"rowGroups"`
	}{w.index})
	if err != nil {
		return 0, fmt.Errorf("encode the index: %w", err)
	}
	return len(filters.shards), w.file(IndexName, index)
}

// file writes a file and syncs it, not its name.
func (w *blockWriter) file(name string, data []byte) error {
	path := filepath.Join(w.dir, name)
	f, err := w.opts.FS.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return fmt.Errorf("create %s: %w", name, err)
	}
	if err := f.WritevAt([][]byte{data}, 0); err != nil {
		return errors.Join(fmt.Errorf("write %d bytes to %s: %w", len(data), path, err), f.Close())
	}
	if err := f.Sync(); err != nil {
		return errors.Join(fmt.Errorf("sync %s: %w", path, err), f.Close())
	}
	w.stats.Bytes += int64(len(data))
	return f.Close()
}

// publish makes all names durable, and then the block visible.
func (w *blockWriter) publish(meta *Meta) error {
	if err := w.opts.FS.SyncDir(w.dir); err != nil {
		return fmt.Errorf("sync directory %s: %w", w.dir, err)
	}
	text, err := json.Marshal(meta)
	if err != nil {
		return fmt.Errorf("encode %s: %w", MetaName, err)
	}
	w.stats.Bytes += w.data.size + int64(len(text))
	return durable.WriteFile(w.opts.FS, filepath.Join(w.dir, MetaName), text, 0o644)
}

// BloomName is the name of a bloom filter's file.
func BloomName(shard int) string { return "bloom-" + strconv.Itoa(shard) }
