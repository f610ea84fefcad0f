package block

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"appliance/internal/block/parquet"
)

// maxIndexBytes bounds the index file, which has 30 bytes for each row group.
const maxIndexBytes = 64 << 20

// Report is what Verify counted.
type Report struct {
	Traces    int64
	Spans     int64
	RowGroups int
	Pages     int64
	Digest    Digest // under the key that Verify was given
}

// Verify reads everything of the block, and returns ErrDamaged with what is
// wrong first: each page has the checksum that it was written with, decodes, and
// is where the indexes say, with values within the bounds that they say; the
// columns are of the same spans; trace ids ascend, and are in the blooms;
// meta.json and index agree with the data. Memory is that of Traces and of one
// bloom filter each.
func (b *Block) Verify(ctx context.Context, key uint64) (Report, error) {
	r := Report{RowGroups: b.RowGroups()}
	if err := b.file.VerifyHead(ctx); err != nil {
		return r, damaged(err)
	}
	if err := b.verifyMeta(); err != nil {
		return r, err
	}
	if err := b.verifyIDs(ctx); err != nil {
		return r, err
	}
	if b.meta.Format == FormatVParquet4 && len(b.columns) == len(b.file.Columns) {
		if err := b.verifyPages(ctx, key, &r); !errors.Is(err, errUneven) {
			return r, damaged(err)
		}
	}
	return r, b.verifyColumns(ctx, key, &r)
}

// verifyPages reads all columns at the same time, and each page once.
func (b *Block) verifyPages(ctx context.Context, key uint64, r *Report) error {
	d := b.opts.Memory.newDigester(b.layout, key)
	defer b.opts.Memory.keepDigester(d)
	for g := range b.file.Groups {
		err := d.start(ctx, b, g)
		for err == nil {
			if err = d.next(); err == nil {
				r.Traces += int64(d.pageSet.rows)
				err = d.page()
			}
		}
		if !errors.Is(err, io.EOF) {
			return fmt.Errorf("row group %d: %w", g, err)
		}
	}
	r.Pages, r.Spans, r.Digest = d.pages, int64(d.total.Spans), d.total
	return nil
}

// verifyColumns reads one column after the other, then the derived ones, then
// all traces: the pages of a block that another wrote may end anywhere.
func (b *Block) verifyColumns(ctx context.Context, key uint64, r *Report) error {
	r.Pages, r.Traces = 0, 0
	for g := range b.file.Groups {
		for i := range b.file.Groups[g].Chunks {
			n, err := b.file.Groups[g].Chunks[i].Verify(ctx)
			r.Pages += n
			if err != nil {
				return damaged(fmt.Errorf("row group %d: %w", g, err))
			}
		}
	}
	if err := b.verifyDerived(ctx); err != nil {
		return err
	}
	d := digester{key: key}
	for trace, err := range b.Traces(ctx) {
		if err == nil {
			err = d.trace(trace)
		}
		if err != nil {
			return err
		}
		r.Traces++
	}
	r.Spans, r.Digest = int64(d.total.Spans), d.total
	return nil
}

func (b *Block) verifyMeta() error {
	m := &b.meta
	if m.FooterSize != 0 && m.FooterSize != b.file.FooterLen {
		return fmt.Errorf("%w: the footer of %s has %d bytes, and %s says %d", ErrDamaged, DataName, b.file.FooterLen, MetaName, m.FooterSize)
	}
	if m.TotalRecords != b.RowGroups() {
		return fmt.Errorf("%w: %s has %d row groups, and %s says %d", ErrDamaged, DataName, b.RowGroups(), MetaName, m.TotalRecords)
	}
	if m.BloomShards < 1 || m.BloomShards > maxBloomShards {
		return fmt.Errorf("%w: %s names %d blooms", ErrDamaged, MetaName, m.BloomShards)
	}
	return nil
}

// readIndex returns the last identifier of each row group, or nil if the block
// has no index, which not every Tempo writes.
func (b *Block) readIndex(ctx context.Context) ([][]byte, error) {
	text, err := readFile(ctx, b.src, IndexName, maxIndexBytes)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	var index struct{ RowGroups []string }
	if err := json.Unmarshal(text, &index); err != nil {
		return nil, fmt.Errorf("%w: %s of %d bytes: %w", ErrDamaged, IndexName, len(text), err)
	}
	if len(index.RowGroups) != b.RowGroups() {
		return nil, fmt.Errorf("%w: %s has %d row groups of %d", ErrDamaged, IndexName, len(index.RowGroups), b.RowGroups())
	}
	ids := make([][]byte, len(index.RowGroups))
	for i, text := range index.RowGroups {
		if ids[i], err = base64.StdEncoding.DecodeString(text); err != nil {
			return nil, fmt.Errorf("%w: %s: %w", ErrDamaged, IndexName, err)
		}
	}
	return ids, nil
}

// verifyDerived says whether the columns that no trace is made of are of the
// same spans as the others.
func (b *Block) verifyDerived(ctx context.Context) error {
	for g := range b.file.Groups {
		for r, of := range map[Role]Role{
			SpanParent: SpanID, SpanLeft: SpanID, SpanRight: SpanID, StatsSpans: StatsService, StatsErrors: StatsService,
		} {
			derived, column := b.chunk(g, r), b.chunk(g, of)
			if derived == nil {
				continue
			}
			if err := sameLevels(ctx, derived, column); err != nil {
				return damaged(fmt.Errorf("row group %d, column %s: %w", g, derived.Column.Path, err))
			}
		}
	}
	return nil
}

func sameLevels(ctx context.Context, a, b *parquet.Chunk) error {
	if a.Entries() != b.Entries() {
		return errApart
	}
	var x, y cursor
	x.start(ctx, a)
	y.start(ctx, b)
	for range a.Entries() {
		rep, err := y.rep()
		if err != nil {
			return err
		}
		want, err := y.take(rep)
		if err != nil {
			return err
		}
		if def, err := x.take(rep); err != nil {
			return err
		} else if def != want {
			return errApart
		}
	}
	return nil
}

// verifyIDs holds the identifiers against their order, the blooms and the index.
func (b *Block) verifyIDs(ctx context.Context) error {
	index, err := b.readIndex(ctx)
	if err != nil {
		return err
	}
	blooms := make([]bloomFile, b.meta.BloomShards)
	for i := range blooms {
		if blooms[i], err = readBloom(ctx, b.src, i); err != nil {
			return err
		}
	}
	var last []byte
	for g := range b.file.Groups {
		var v parquet.Values
		pages := b.chunk(g, TraceID).Pages(ctx)
		for {
			v.Reset()
			if err := pages.Next(&v); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				return damaged(err)
			}
			for i := range v.Bytes.Len() {
				at := v.Bytes.At(i)
				var id [16]byte
				if len(at) != len(id) {
					return fmt.Errorf("%w: a trace id of %d bytes", ErrDamaged, len(at))
				}
				copy(id[:], at)
				if bytes.Compare(last, at) > 0 {
					return fmt.Errorf("%w: trace %x stands after %x", ErrDamaged, at, last)
				}
				last = append(last[:0], at...)
				if !blooms[bloomShardOf(id[:], len(blooms))].has(&id) {
					return fmt.Errorf("%w: trace %x is not in its bloom", ErrDamaged, id)
				}
			}
		}
		if index != nil && !bytes.Equal(index[g], last) {
			return fmt.Errorf("%w: row group %d ends with trace %x, and %s says %x", ErrDamaged, g, last, IndexName, index[g])
		}
	}
	return nil
}
