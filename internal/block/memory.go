package block

import (
	"sync"

	"appliance/internal/block/parquet"
)

// Memory keeps the buffers of a block that was made, and of one that was verified,
// for the next ones: some 30 and 10 MB for blocks of full size. Getting them again
// from the system, page by page, costs about as much as a block of 50,000 spans.
// It may be used by several at a time: who finds nothing gets new ones. A nil
// Memory keeps nothing.
type Memory struct {
	mu      sync.Mutex
	columns *columns
	digest  *pageDigester
}

// newColumns are buffers with nothing in them, whose pages are compressed at a
// level of zstd.
func (m *Memory) newColumns(level int) (*columns, error) {
	if m != nil {
		m.mu.Lock()
		defer m.mu.Unlock()
		if c := m.columns; c != nil && c.zstdLevel == level {
			m.columns = nil
			return c, nil
		}
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
func (m *Memory) keepColumns(c *columns) {
	if m != nil {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.columns = c
	}
}

// newDigester is one for a block.
func (m *Memory) newDigester(l *layout, key uint64) *pageDigester {
	if m != nil {
		m.mu.Lock()
		defer m.mu.Unlock()
		if d := m.digest; d != nil {
			m.digest = nil
			d.layout, d.key, d.total, d.pages = l, key, Digest{}, 0
			return d
		}
	}
	return &pageDigester{pageSet: newPageSet(l), key: key}
}

func (m *Memory) keepDigester(d *pageDigester) {
	if m != nil {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.digest = d
	}
}
