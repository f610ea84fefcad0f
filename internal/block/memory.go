package block

import "sync"

// Memory keeps the buffers of a block that was made, and of one that was verified,
// for the next ones: some 30 and 10 MB for blocks of full size. Getting them again
// from the system, page by page, costs about as much as a block of 50,000 spans.
// Those that large values have made larger than mostKept are not kept.
// It may be used by several at a time: who finds nothing gets new ones. A nil
// Memory keeps nothing.
type Memory struct {
	mu      sync.Mutex
	columns *columns
	digest  *pageDigester
}

// mostKept bounds each of the two, in bytes, and that of a reader of traces.
const mostKept = 48 << 20

// newColumns are buffers with nothing in them.
func (m *Memory) newColumns() *columns {
	if m != nil {
		m.mu.Lock()
		defer m.mu.Unlock()
		if c := m.columns; c != nil {
			m.columns = nil
			return c
		}
	}
	return newColumns(schema4())
}

// keepColumns takes buffers back, whose pages are all written.
func (m *Memory) keepColumns(c *columns) {
	if m != nil && c.held() <= mostKept {
		m.mu.Lock()
		c, m.columns = m.columns, c
		m.mu.Unlock()
	}
	if c != nil {
		c.slab.arenas.release()
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
	if m != nil && d.held() <= mostKept {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.digest = d
	}
}

// held is about how many bytes the buffers take.
func (c *columns) held() int { return c.slab.held() }

// held is about how many bytes the pages take.
func (s *pageSet) held() (n int) {
	for i := range s.values {
		n += s.values[i].Held() + 8*cap(s.hashes[i])
	}
	return n
}
