package blockids

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/parquet-go/parquet-go"
)

// ErrFormat says that a block's format is none of those whose columns this package knows.
var ErrFormat = errors.New("unknown block format")

// Readable says whether Spans understands a format, as meta.json names it.
func Readable(format string) bool { return format == "vParquet4" || format == "vParquet3" }

const (
	readBuffer  = 64 << 10 // bytes for each column
	valueBuffer = 512      // values for each column
)

var (
	spanPath    = []string{"rs", "list", "element", "ss", "list", "element", "Spans", "list", "element"}
	traceColumn = []string{"TraceID"}
	spanColumn  = append(slices.Clone(spanPath), "SpanID")
	kindColumn  = append(slices.Clone(spanPath), "Kind")
)

// Spans calls visit for each span of a data.parquet of size bytes, in the order of the file, until visit returns
// false. The identifiers are valid during the call only. ErrFormat says that the file has other columns.
func Spans(r io.ReaderAt, size int64, visit func(traceID, spanID []byte, kind int64) bool) (err error) {
	defer func() {
		// The reader of the file format panics at some damage.
		if p := recover(); p != nil {
			err = fmt.Errorf("read a parquet file of %d bytes: %v", size, p)
		}
	}()
	file, err := parquet.OpenFile(r, size, parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true), parquet.ReadBufferSize(readBuffer))
	if err != nil {
		return fmt.Errorf("open a parquet file of %d bytes: %w", size, err)
	}
	var columns [3]int
	for i, path := range [][]string{traceColumn, spanColumn, kindColumn} {
		leaf, ok := file.Schema().Lookup(path...)
		if !ok {
			return fmt.Errorf("%w: it has no column %v", ErrFormat, path)
		}
		columns[i] = leaf.ColumnIndex
	}
	for _, group := range file.RowGroups() {
		more, err := groupSpans(group, columns, visit)
		if err != nil || !more {
			return err
		}
	}
	return nil
}

func groupSpans(group parquet.RowGroup, columns [3]int, visit func(traceID, spanID []byte, kind int64) bool) (more bool, err error) {
	chunks := group.ColumnChunks()
	traces, spans, kinds := newColumn(chunks[columns[0]]), newColumn(chunks[columns[1]]), newColumn(chunks[columns[2]])
	defer traces.close()
	defer spans.close()
	defer kinds.close()
	var traceID []byte
	for {
		span, err := spans.next()
		if errors.Is(err, io.EOF) {
			return true, nil
		} else if err != nil {
			return false, fmt.Errorf("read column SpanID: %w", err)
		}
		kind, err := kinds.next()
		if err != nil {
			return false, fmt.Errorf("read column Kind: %w", err)
		}
		if span.RepetitionLevel() == 0 { // a new trace
			trace, err := traces.next()
			if err != nil {
				return false, fmt.Errorf("read column TraceID: %w", err)
			}
			traceID = append(traceID[:0], trace.ByteArray()...)
		}
		if span.RepetitionLevel() != kind.RepetitionLevel() || span.DefinitionLevel() != kind.DefinitionLevel() {
			return false, errors.New("columns SpanID and Kind are not of the same spans")
		}
		if span.IsNull() {
			continue // a trace, resource or scope without spans
		}
		if !visit(traceID, span.ByteArray(), kind.Int64()) {
			return false, nil
		}
	}
}

// column reads the values of a column chunk one by one.
type column struct {
	pages  parquet.Pages
	page   parquet.Page
	reader parquet.ValueReader
	buf    [valueBuffer]parquet.Value
	values []parquet.Value // read and not returned yet
	done   bool            // the page holds no more than values
}

func newColumn(chunk parquet.ColumnChunk) *column { return &column{pages: chunk.Pages()} }

func (c *column) next() (parquet.Value, error) {
	for len(c.values) == 0 {
		if err := c.fill(); err != nil {
			return parquet.Value{}, err
		}
	}
	v := c.values[0]
	c.values = c.values[1:]
	return v, nil
}

func (c *column) fill() error {
	if c.reader == nil || c.done {
		c.release()
		page, err := c.pages.ReadPage()
		if err != nil {
			return err
		}
		c.page, c.reader, c.done = page, page.Values(), false
	}
	n, err := c.reader.ReadValues(c.buf[:])
	c.values = c.buf[:n]
	if errors.Is(err, io.EOF) {
		c.done = true
		err = nil
	}
	return err
}

func (c *column) release() {
	if c.page != nil {
		parquet.Release(c.page)
		c.page, c.reader = nil, nil
	}
}

func (c *column) close() {
	c.release()
	_ = c.pages.Close() // only read from
}
