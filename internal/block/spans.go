package block

import (
	"context"
	"errors"
	"fmt"
	"io"

	"appliance/internal/block/parquet"
)

// Readable says whether this package knows the columns of a format, as
// meta.json names it.
func Readable(format string) bool { return layoutOf(&Meta{Format: format}) != nil }

// Spans calls visit for each span of a data.parquet of size bytes, in the order
// of the file, until visit returns false. The identifiers are valid during the
// call only. ErrFormat says that the file has other columns, ErrDamaged that it
// contradicts itself. It reads three columns, and needs no more memory than a
// page of each.
func Spans(ctx context.Context, r io.ReaderAt, size int64, visit func(traceID, spanID []byte, kind int64) bool) error {
	f, err := parquet.Open(ctx, anyFile{r}, size)
	if err != nil {
		return damaged(fmt.Errorf("open a parquet file of %d bytes: %w", size, err))
	}
	var columns [3]int
	for i, path := range []string{"TraceID", spanPath + "SpanID", spanPath + "Kind"} {
		if columns[i] = column(f, path); columns[i] < 0 {
			return fmt.Errorf("%w: it has no column %s", ErrFormat, path)
		}
	}
	var s spanReader
	for g := range f.Groups {
		chunks := f.Groups[g].Chunks
		s.trace.start(ctx, &chunks[columns[0]])
		s.span.start(ctx, &chunks[columns[1]])
		s.kind.start(ctx, &chunks[columns[2]])
		if more, err := s.visit(visit); err != nil {
			return damaged(fmt.Errorf("row group %d: %w", g, err))
		} else if !more {
			return nil
		}
	}
	return nil
}

const spanPath = "rs.list.element.ss.list.element.Spans.list.element."

// anyFile is a file whose reads know of no context.
type anyFile struct{ r io.ReaderAt }

func (f anyFile) ReadAt(ctx context.Context, p []byte, off int64) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	return f.r.ReadAt(p, off)
}

// column is the place of a path, or -1.
func column(f *parquet.File, path string) int {
	types := map[string]parquet.Type{"TraceID": parquet.ByteArray, spanPath + "SpanID": parquet.ByteArray, spanPath + "Kind": parquet.Int64}
	for i := range f.Columns {
		if c := &f.Columns[i]; c.Path == path && c.Type == types[path] {
			return i
		}
	}
	return -1
}

// spanReader reads the columns that identify spans.
type spanReader struct{ trace, span, kind cursor }

func (s *spanReader) visit(visit func(traceID, spanID []byte, kind int64) bool) (more bool, err error) {
	var traceID []byte
	for {
		if s.span.entry == s.span.v.Entries {
			if err := s.span.load(); errors.Is(err, io.EOF) {
				return true, nil
			} else if err != nil {
				return false, err
			}
		}
		rep, err := s.span.rep()
		if err != nil {
			return false, err
		}
		def, err := s.span.take(rep)
		if err != nil {
			return false, err
		}
		kindDef, err := s.kind.take(rep)
		if err != nil {
			return false, err
		}
		if def != kindDef {
			return false, errApart
		}
		if rep == 0 { // a new trace
			if _, err := s.trace.take(0); err != nil {
				return false, err
			}
			traceID = append(traceID[:0], s.trace.bytes()...)
		}
		if def < s.span.maxDef {
			continue // a trace, resource or scope without spans
		}
		if !visit(traceID, s.span.bytes(), s.kind.v.Ints[s.kind.value-1]) {
			return false, nil
		}
	}
}
