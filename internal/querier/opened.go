package querier

import (
	"container/list"
	"context"
	"sync"
	"sync/atomic"
	"time"

	"appliance/internal/block"
	"appliance/internal/lowprio"
)

// opened keeps blocks open between queries: their files, and their footers once
// these were read. It closes those that nobody asked for in a minute, so that
// the room of a deleted block is given back.
type opened struct {
	low     *lowprio.Threads
	readers block.Readers // for all of them
	blooms  *block.BloomMemory

	mu        sync.Mutex
	byName    map[string]*openBlock
	order     list.List // of *openBlock, the last used first
	bytes     int64     // of footers
	shapes    int64     // of shapes, and their bound
	maxShapes int64
}

// Bounds of what is kept open.
const (
	maxOpenBytes  = 64 << 20 // of footers
	maxShapeBytes = 16 << 20 // some six million spans
	maxOpenBlocks = 512
	idle          = time.Minute
)

// openBlock is a block's files. The fields above source are guarded by the lock of
// opened.
type openBlock struct {
	name   string
	place  *list.Element
	users  int
	used   time.Time
	bytes  int64 // of its footer
	shapes int64 // bytes
	gone   bool  // no longer among those that are kept

	source Source

	load  waitingLock // while it is opened
	block atomic.Pointer[block.Block]

	once   sync.Once
	blooms *block.Blooms
}

// bloomsOf are the block's blooms, of which its meta.json names so many. They may take
// memory, unless that is nil.
func (b *openBlock) bloomsOf(shards int, memory *block.BloomMemory) *block.Blooms {
	b.once.Do(func() { b.blooms = block.NewBlooms(b.source, shards, memory) })
	return b.blooms
}

// newOpened keeps nothing yet, and up to so many bytes of blooms.
func newOpened(low *lowprio.Threads, blooms int64) *opened {
	return &opened{
		low: low, blooms: block.NewBloomMemory(blooms),
		byName: map[string]*openBlock{}, maxShapes: maxShapeBytes,
	}
}

// get returns a block, of which nothing is read yet if it was not known. Give it
// back with put.
func (o *opened) get(name string, source func() Source) *openBlock {
	o.mu.Lock()
	defer o.mu.Unlock()
	b := o.byName[name]
	if b == nil {
		b = &openBlock{name: name, source: source(), load: newWaitingLock()}
		b.place = o.order.PushFront(b)
		o.byName[name] = b
	} else {
		o.order.MoveToFront(b.place)
	}
	b.users++
	return b
}

func (o *opened) put(b *openBlock) {
	o.mu.Lock()
	defer o.mu.Unlock()
	b.users--
	b.used = time.Now()
	o.boundShapes(b)
	if b.gone {
		b.closeIdle()
		return
	}
	for e := o.order.Back(); e != nil && (o.bytes > maxOpenBytes || o.order.Len() > maxOpenBlocks); {
		before := e.Prev()
		if old := e.Value.(*openBlock); old.users == 0 {
			o.remove(old)
		}
		e = before
	}
}

// boundShapes counts the shapes of a block that was used, and drops those of others
// where they are too much. o.mu is held.
func (o *opened) boundShapes(b *openBlock) {
	open := b.block.Load()
	if open == nil || b.gone {
		return
	}
	n := open.ShapeBytes()
	o.shapes += n - b.shapes
	b.shapes = n
	for e := o.order.Back(); e != nil && o.shapes > o.maxShapes; e = e.Prev() {
		if old := e.Value.(*openBlock); old.shapes > 0 {
			old.block.Load().DropShapes()
			o.shapes -= old.shapes
			old.shapes = 0
		}
	}
}

// remove forgets a block. o.mu is held.
func (o *opened) remove(b *openBlock) {
	o.order.Remove(b.place)
	delete(o.byName, b.name)
	o.bytes -= b.bytes
	o.shapes -= b.shapes
	b.gone = true
	b.closeIdle()
}

func (b *openBlock) closeIdle() {
	if b.users > 0 {
		return
	}
	if b.blooms != nil {
		b.blooms.Release()
	}
	_ = b.source.Close()
}

// drop forgets a block that could not be read, so that the next query tries its
// files again.
func (o *opened) drop(b *openBlock) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !b.gone {
		o.remove(b)
	}
}

// sweep closes what was not used since a time.
func (o *opened) sweep(before time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for e := o.order.Back(); e != nil; {
		b, prev := e.Value.(*openBlock), e.Prev()
		if b.users == 0 && b.used.Before(before) {
			o.remove(b)
		}
		e = prev
	}
}

// open reads the footer, once. meta is nil where meta.json is to be read.
func (o *opened) open(ctx context.Context, b *openBlock, meta *block.Meta, opts block.Options) (*block.Block, error) {
	if err := b.load.lock(ctx, o.low); err != nil {
		return nil, err
	}
	defer b.load.unlock()
	if open := b.block.Load(); open != nil {
		return open, nil
	}
	var open *block.Block
	var err error
	if meta != nil {
		open, err = block.OpenMeta(ctx, b.source, *meta, opts)
	} else {
		open, err = block.Open(ctx, b.source, opts)
	}
	if err != nil {
		return nil, err
	}
	b.block.Store(open)
	o.mu.Lock()
	defer o.mu.Unlock()
	// A footer that is read takes some four times the bytes that it has.
	b.bytes = 4 * open.Meta().FooterSize
	if !b.gone {
		o.bytes += b.bytes
	}
	return open, nil
}
