package block

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// merger gives the frames of sorted runs in the order of all. Of equal ids
// those of the earlier run come first.
type merger struct {
	heap []*runCursor
	read bool // the first cursor's frame was given
}

// runCursor is at one frame of a run.
type runCursor struct {
	file      io.ReaderAt
	rest      extent // that is not read yet
	buf       []byte // room for reading
	data      []byte // of buf, that is read and not given yet
	run       int
	high, low uint64
	frame     []byte
}

// newMerger divides memory among the runs.
func newMerger(file io.ReaderAt, runs []extent, memory []byte) (*merger, error) {
	m := &merger{}
	share := len(memory) / max(1, len(runs))
	for i, run := range runs {
		c := &runCursor{file: file, rest: run, buf: memory[i*share : (i+1)*share : (i+1)*share], run: i}
		if ok, err := c.advance(); err != nil {
			return nil, err
		} else if ok {
			m.heap = append(m.heap, c)
		}
	}
	for i := len(m.heap)/2 - 1; i >= 0; i-- {
		m.down(i)
	}
	return m, nil
}

func (m *merger) next() (id [16]byte, frame []byte, ok bool, err error) {
	if m.read {
		if err := m.drop(); err != nil {
			return id, nil, false, err
		}
	}
	m.read = len(m.heap) > 0
	if !m.read {
		return id, nil, false, nil
	}
	c := m.heap[0]
	binary.BigEndian.PutUint64(id[:], c.high)
	binary.BigEndian.PutUint64(id[8:], c.low)
	return id, c.frame, true, nil
}

// drop goes on behind the frame that was given last.
func (m *merger) drop() error {
	c := m.heap[0]
	high, low := c.high, c.low
	more, err := c.advance()
	if err != nil {
		return err
	}
	if !more {
		last := len(m.heap) - 1
		m.heap[0] = m.heap[last]
		m.heap = m.heap[:last]
	} else if c.high == high && c.low == low {
		return nil // still the first
	}
	if len(m.heap) > 0 {
		m.down(0)
	}
	return nil
}

func (m *merger) down(i int) {
	for {
		least := i
		for child := 2*i + 1; child <= 2*i+2 && child < len(m.heap); child++ {
			if m.heap[child].before(m.heap[least]) {
				least = child
			}
		}
		if least == i {
			return
		}
		m.heap[i], m.heap[least] = m.heap[least], m.heap[i]
		i = least
	}
}

func (c *runCursor) before(o *runCursor) bool {
	if c.high != o.high {
		return c.high < o.high
	}
	if c.low != o.low {
		return c.low < o.low
	}
	return c.run < o.run
}

// advance reads the next frame of the run. It returns false at the end.
func (c *runCursor) advance() (bool, error) {
	if len(c.data) == 0 && c.rest.from == c.rest.to {
		return false, nil
	}
	if err := c.fill(runHeader); err != nil {
		return false, err
	}
	size := int(binary.LittleEndian.Uint32(c.data[16:]))
	if err := c.fill(runHeader + size); err != nil {
		return false, err
	}
	c.high, c.low = binary.BigEndian.Uint64(c.data), binary.BigEndian.Uint64(c.data[8:])
	c.frame = c.data[runHeader : runHeader+size]
	c.data = c.data[runHeader+size:]
	return true, nil
}

// fill reads on until n bytes are there.
func (c *runCursor) fill(n int) error {
	if len(c.data) >= n {
		return nil
	}
	if n > len(c.buf) {
		c.buf = make([]byte, n)
	}
	have := copy(c.buf, c.data)
	want := min(int64(len(c.buf)-have), c.rest.to-c.rest.from)
	k, err := c.file.ReadAt(c.buf[have:have+int(want)], c.rest.from)
	c.rest.from += int64(k)
	c.data = c.buf[:have+k]
	if len(c.data) >= n {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("read %d bytes of sorted spans: %w", n, err)
}
