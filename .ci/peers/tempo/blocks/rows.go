package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/grafana/tempo/tempodb/backend"
	"github.com/grafana/tempo/tempodb/encoding/vparquet3"
	"github.com/grafana/tempo/tempodb/encoding/vparquet4"
	"github.com/parquet-go/parquet-go"
)

// eachRow calls visit with each row of a block, as a *vparquet4.Trace or
// *vparquet3.Trace that is overwritten afterwards.
func (s *storage) eachRow(
	ctx context.Context, meta *backend.BlockMeta, visit func(any) error,
) error {
	switch meta.Version {
	case vparquet4.VersionString:
		return readRows[vparquet4.Trace](
			vparquet4.NewBackendReaderAt(ctx, s.reader, vparquet4.DataFileName, meta), meta, visit,
		)
	case vparquet3.VersionString:
		return readRows[vparquet3.Trace](
			vparquet3.NewBackendReaderAt(ctx, s.reader, vparquet3.DataFileName, meta), meta, visit,
		)
	}
	return fmt.Errorf("the rows of format %s cannot be read", meta.Version)
}

func readRows[T any](data io.ReaderAt, meta *backend.BlockMeta, visit func(any) error) error {
	file, err := parquet.OpenFile(data, int64(meta.Size_), parquet.SkipBloomFilters(true))
	if err != nil {
		return err
	}
	r := parquet.NewGenericReader[T](file)
	defer r.Close()
	// One at a time: what was read of a row may lie in a buffer that the next row
	// group uses again.
	for rows := make([]T, 1); ; clear(rows) {
		n, err := r.Read(rows)
		if n == 1 {
			if err := visit(&rows[0]); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// runRows writes every column of every trace. What has no order in Tempo is
// sorted, so that blocks of the same content have the same lines.
func runRows(ctx context.Context, args []string, out io.Writer) error {
	fs := flags("rows")
	raw := fs.Bool(
		"raw", false, "leave the order and the grouping of the block, and show doubles as bits",
	)
	s, args, err := parse(fs, args, 1)
	if err != nil {
		return err
	}
	meta, err := s.meta(ctx, args[0])
	if err != nil {
		return err
	}
	return s.eachRow(ctx, meta, func(row any) error {
		var err error
		if *raw {
			_, err = fmt.Fprintln(out, text(plain(row, doubleBits)))
		} else {
			_, err = fmt.Fprintln(out, text(flatten(plain(row, allDigits))))
		}
		return err
	})
}
