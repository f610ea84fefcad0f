package block

import (
	"sync"

	"appliance/internal/block/parquet"
)

// Memory keeps the buffers of blocks that were made, merged or verified, for the
// next ones: some 40 MB for blocks of full size. Getting them again from the
// system, page by page, costs about as much as a block of 50,000 spans. It may be
// used by several at a time. A nil Memory keeps nothing.
type Memory struct {
	mu      sync.Mutex
	columns []*columns
	digests []*pageDigester
	sets    []*pageSet
}

// What is kept at most: as much as one build and one merge need at a time.
const (
	keptColumns = 2
	keptDigests = 1
	keptSets    = 8
)

// take returns the last of a list, or false.
func take[T any](m *Memory, list func(m *Memory) *[]T) (v T, ok bool) {
	if m == nil {
		return v, false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	l := list(m)
	if len(*l) == 0 {
		return v, false
	}
	last := len(*l) - 1
	v = (*l)[last]
	*l = (*l)[:last]
	return v, true
}

func give[T any](m *Memory, list func(m *Memory) *[]T, most int, v T) {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if l := list(m); len(*l) < most {
		*l = append(*l, v)
	}
}

func listOfColumns(m *Memory) *[]*columns      { return &m.columns }
func listOfDigests(m *Memory) *[]*pageDigester { return &m.digests }
func listOfSets(m *Memory) *[]*pageSet         { return &m.sets }

// newColumns are buffers with nothing in them, whose pages are compressed at a
// level of zstd.
func (m *Memory) newColumns(level int) (*columns, error) {
	if c, ok := take(m, listOfColumns); ok && c.zstdLevel == level {
		return c, nil
	}
	comp, err := parquet.NewCompressor(level)
	if err != nil {
		return nil, err
	}
	c := newColumns(schema4(), comp)
	c.zstdLevel = level
	return c, nil
}

// keepColumns takes buffers back, whose pages are all written.
func (m *Memory) keepColumns(c *columns) { give(m, listOfColumns, keptColumns, c) }

// newDigester is one of a block.
func (m *Memory) newDigester(l *layout, key uint64) *pageDigester {
	d, ok := take(m, listOfDigests)
	if !ok {
		return &pageDigester{pageSet: newPageSet(l), key: key}
	}
	d.layout, d.key, d.total, d.pages = l, key, Digest{}, 0
	return d
}

func (m *Memory) keepDigester(d *pageDigester) { give(m, listOfDigests, keptDigests, d) }

func (m *Memory) newPageSet(l *layout) *pageSet {
	s, ok := take(m, listOfSets)
	if !ok {
		return newPageSet(l)
	}
	s.layout, s.pages = l, 0
	return s
}

func (m *Memory) keepPageSet(s *pageSet) { give(m, listOfSets, keptSets, s) }
