package querier

import (
	"context"
	"errors"
	"iter"
	"math"

	"appliance/internal/block"
	"appliance/internal/blockstore"
	"appliance/internal/lowprio"
	"appliance/internal/traceql"
)

// blockPlace is a block of the store or the archive.
type blockPlace struct {
	opened  *opened
	block   *openBlock
	meta    *block.Meta // nil where meta.json is to be read
	options block.Options
	// Of an archived block. Those of the store stay while the query runs.
	archived *ArchivedBlock
	pruned   func(context.Context) bool
}

func (p *blockPlace) open(ctx context.Context) (*block.Block, error) {
	return p.opened.open(ctx, p.block, p.meta, p.options)
}

func (p *blockPlace) batches(ctx context.Context) (int, error) {
	b, err := p.open(ctx)
	if err != nil {
		return 0, err
	}
	return b.RowGroups(), nil
}

func (p *blockPlace) batch(ctx context.Context, i int, budget *budget) (traceql.Batch, func(), error) {
	b, err := p.open(ctx)
	if err != nil {
		return nil, nil, err
	}
	rows, err := newRowBatch(ctx, b.RowGroup(i), budget)
	if err != nil {
		return nil, nil, err
	}
	return rows, rows.close, nil
}

// idsAtOnce is how many identifiers of a block are yielded together. A query may
// read those of hundreds of blocks at the same time.
const idsAtOnce = 512

func (p *blockPlace) ids(ctx context.Context) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		b, err := p.open(ctx)
		if err != nil {
			yield(nil, err)
			return
		}
		buf := make([]byte, 0, idsAtOnce*len(traceID{}))
		for id, err := range b.IDs(ctx) {
			if err != nil {
				yield(nil, err)
				return
			}
			if buf = append(buf, id[:]...); len(buf) == cap(buf) {
				if !yield(buf, nil) {
					return
				}
				buf = buf[:0]
			}
		}
		yield(buf, nil)
	}
}

func (p *blockPlace) trace(ctx context.Context, id traceID, fields *block.Fields, dst []byte) ([]byte, error) {
	shards, err := p.blooms(ctx)
	if err != nil {
		return dst, err
	}
	memory := p.opened.blooms
	if p.far() {
		memory = nil // a bloom is more than the bytes of it that a question needs
	}
	if may, err := p.block.bloomsOf(shards, memory).MayHave(ctx, id); err != nil || !may {
		return dst, err
	}
	b, err := p.open(ctx)
	if err != nil {
		return dst, err
	}
	goroutines := min(traceGoroutines, lowprio.Processors())
	if p.opened.low.Within() {
		goroutines = 1 // others would have the ordinary priority
	}
	var out []byte
	read := func() { out, err = b.TraceFields(ctx, id, fields, goroutines, dst) }
	if p.far() { // it waits for what others read for it
		p.opened.low.Wait(read)
	} else {
		read()
	}
	if errors.Is(err, block.ErrNotFound) {
		return dst, nil
	}
	return out, err
}

// traceGoroutines is how many decode the pages of one trace for somebody who waits for
// it. More would gain little: the largest column takes half of the work.
const traceGoroutines = 2

// fewTraces is up to how many traces it is cheaper to look for each.
const fewTraces = 4

func (p *blockPlace) traces(ctx context.Context, ids []byte, fields *block.Fields, visit func([]byte) error) error {
	if len(ids) <= fewTraces*len(traceID{}) {
		return eachTrace(ctx, p, ids, fields, visit)
	}
	b, err := p.open(ctx)
	if err != nil {
		return err
	}
	for data, err := range b.Select(ctx, ids, fields) {
		if err == nil {
			err = visit(data)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// eachTrace looks for one trace after the other.
func eachTrace(ctx context.Context, p place, ids []byte, fields *block.Fields, visit func([]byte) error) error {
	for ; len(ids) > 0; ids = ids[16:] {
		data, err := p.trace(ctx, traceID(ids), fields, nil)
		if err == nil && len(data) > 0 {
			err = visit(data)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// blooms is how many blooms the block has, which is all that most questions for
// a trace need to know of it.
func (p *blockPlace) blooms(ctx context.Context) (int, error) {
	if p.meta != nil {
		return p.meta.BloomShards, nil
	}
	if n := p.archived.blooms.Load(); n != 0 {
		return int(n), nil
	}
	meta, err := block.ReadMeta(ctx, p.block.source)
	if err != nil {
		return 0, err
	}
	p.archived.traces.Store(meta.TotalObjects)
	p.archived.blooms.Store(int32(min(meta.BloomShards, math.MaxInt32)))
	return meta.BloomShards, nil
}

func (p *blockPlace) size() int64 {
	if p.meta != nil {
		return p.meta.TotalObjects
	}
	return p.archived.traces.Load()
}

// far says whether the block may be far away, so that reading is mostly waiting.
func (p *blockPlace) far() bool { return p.archived != nil }

func (p *blockPlace) lost(ctx context.Context, err error) bool {
	if ctx.Err() == nil {
		p.opened.drop(p.block)
	}
	gone := false
	if p.pruned != nil {
		p.opened.low.Wait(func() { gone = p.pruned(ctx) })
	}
	return gone
}

// storeUnit is a block of the store.
func (q *Querier) storeUnit(tenant string, b *blockstore.Block) (*unit, *openBlock) {
	open := q.opened.get(b.Dir, func() Source { return block.OpenDir(b.Dir) })
	return &unit{
		key: b.Meta.BlockID, name: "block " + b.Meta.BlockID + " of tenant " + tenant,
		start: nanoseconds(b.Meta.StartTime.Unix()), end: nanoseconds(b.Meta.EndTime.Unix()+1) - 1,
		place: &blockPlace{opened: q.opened, block: open, meta: &b.Meta, options: block.Options{Readers: &q.opened.readers}},
	}, open
}

// remoteBlock is how archived blocks are read, which may be far away.
func (o *opened) remoteBlock() block.Options {
	return block.Options{Parallel: 16, Gap: 256 << 10, Readers: &o.readers}
}

// archiveUnit is a block of the archive.
func (q *Querier) archiveUnit(tenant string, b *ArchivedBlock) (*unit, *openBlock) {
	name := "archived block " + b.ID.String() + " of tenant " + tenant
	open := q.opened.get(name, func() Source {
		return waitingSource{q.opt.Archive.Source(tenant, b), q.low}
	})
	return &unit{
		key: "archive/" + b.ID.String(), name: name,
		start: nanoseconds(b.Start), end: nanoseconds(b.End+1) - 1,
		place: &blockPlace{
			opened: q.opened, block: open, options: q.opened.remoteBlock(), archived: b,
			pruned: func(ctx context.Context) bool { return q.opt.Archive.Pruned(ctx, tenant, b) },
		},
	}, open
}
