package main

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	_ "unsafe" // for go:linkname

	"github.com/grafana/tempo/pkg/tempopb"
	"github.com/grafana/tempo/tempodb/backend"
	"github.com/grafana/tempo/tempodb/encoding/vparquet3"
	"github.com/grafana/tempo/tempodb/encoding/vparquet4"
)

// fromRow4 is how Tempo makes OTLP of a row. The package for vParquet3 exports
// its own; a lookup by id, which ends in the same, reads a row group for a
// trace.
//
//go:linkname fromRow4 github.com/grafana/tempo/tempodb/encoding/vparquet4.parquetTraceToTempopbTrace
func fromRow4(meta *backend.BlockMeta, row *vparquet4.Trace) *tempopb.Trace

func fromRow(meta *backend.BlockMeta, row any) *tempopb.Trace {
	if old, ok := row.(*vparquet3.Trace); ok {
		return vparquet3.ParquetTraceToTempopbTrace(meta, old)
	}
	return fromRow4(meta, row.(*vparquet4.Trace))
}

// runDump writes all traces of a block, in the order of the block.
func runDump(ctx context.Context, args []string, out io.Writer) error {
	s, args, err := parse(flags("dump"), args, 1)
	if err != nil {
		return err
	}
	meta, err := s.meta(ctx, args[0])
	if err != nil {
		return err
	}
	return s.eachRow(ctx, meta, func(row any) error { return writeTrace(out, fromRow(meta, row)) })
}

// runFind writes the traces with the ids that are given, in their order. An id
// that is not there is an empty message.
func runFind(ctx context.Context, args []string, out io.Writer) error {
	s, args, err := parse(flags("find"), args, 1)
	if err != nil {
		return err
	}
	block, err := s.open(ctx, args[0])
	if err != nil {
		return err
	}
	ids, err := s.ids(ctx, block.BlockMeta(), args[1:])
	if err != nil {
		return err
	}
	for _, id := range ids {
		found, err := block.FindTraceByID(ctx, id, searchOptions())
		if err != nil {
			return fmt.Errorf("find trace %x: %w", id, err)
		}
		tr := &tempopb.Trace{}
		if found != nil && found.Trace != nil {
			tr = found.Trace
		}
		if err := writeTrace(out, tr); err != nil {
			return err
		}
	}
	return nil
}

// ids decodes ids from hex. Without any it lists those of the block.
func (s *storage) ids(
	ctx context.Context, meta *backend.BlockMeta, texts []string,
) (ids [][]byte, err error) {
	for _, t := range texts {
		id, err := hex.DecodeString(t)
		if err != nil || len(id) != 16 {
			return nil, fmt.Errorf("%q is not a trace id; write 32 hex digits", t)
		}
		ids = append(ids, id)
	}
	if len(texts) > 0 {
		return ids, nil
	}
	err = s.eachRow(ctx, meta, func(row any) error {
		if old, ok := row.(*vparquet3.Trace); ok {
			ids = append(ids, append([]byte(nil), old.TraceID...))
			return nil
		}
		ids = append(ids, append([]byte(nil), row.(*vparquet4.Trace).TraceID...))
		return nil
	})
	return ids, err
}

func writeTrace(out io.Writer, tr *tempopb.Trace) error {
	data, err := tr.Marshal()
	if err != nil {
		return err
	}
	if _, err := out.Write(binary.AppendUvarint(nil, uint64(len(data)))); err != nil {
		return err
	}
	_, err = out.Write(data)
	return err
}
