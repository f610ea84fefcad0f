package block

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"os"
	"slices"

	"appliance/internal/durable"
)

// sorter brings frames, one a span, into the order of trace ids; those of one
// trace stay in the order in which they came. It holds as many as its arena
// has room for, and writes them as a sorted run to a file when it is full. So
// memory is bounded and all reading and writing is sequential, whatever the ids
// are like.
type sorter struct {
	fs   durable.FS
	name string // of the file

	limit   int // of the arena
	arena   []byte
	free    func() // gives the arena and the entries back
	entries []entry
	file    durable.File // nil as long as all fits
	size    int64        // of the file
	runs    []extent
	out     []byte // bytes of the current run that are not written yet
}

// entry is a frame in the arena.
type entry struct {
	high, low uint64 // halves of the trace id
	at        uint32 // in the arena
	size      uint32
}

// extent is a part of a file.
type extent struct{ from, to int64 }

// Sizes of the sorter's memory, in bytes.
const (
	sorterOut  = 256 << 10
	entryBytes = 24

	leastEntries = 16
	runHeader    = 16 + 4 // trace id, length of the frame
)

func newSorter(fs durable.FS, name string, size int) *sorter {
	frames := (size + 7) &^ 7
	memory, free := newArena(frames + max(size/4, leastEntries*entryBytes))
	return &sorter{fs: fs, name: name, limit: size, arena: memory[:0:frames], free: free, entries: sliceOf[entry](memory[frames:])}
}

// room makes room for a frame, and returns where to append it. One that is larger
// than the arena grows out of it.
func (s *sorter) room(size int) ([]byte, error) {
	if len(s.arena)+size > s.limit || len(s.entries) == cap(s.entries) {
		if err := s.spill(); err != nil {
			return nil, err
		}
	}
	return s.arena, nil
}

// add takes over a frame that was appended to what room returned.
func (s *sorter) add(id [16]byte, arena []byte) {
	at := len(s.arena)
	s.arena = arena
	s.entries = append(s.entries, entry{
		binary.BigEndian.Uint64(id[:]), binary.BigEndian.Uint64(id[8:]), uint32(at), uint32(len(arena) - at),
	})
}

// sort sorts the entries. Ids are mostly random, so they are dealt out by their
// first bits, and the few of a bucket sorted.
func (s *sorter) sort() {
	const bits = 12
	if len(s.entries) < 1<<bits {
		slices.SortFunc(s.entries, entry.compare)
		return
	}
	var next, ends [1 << bits]uint32 // of each bucket: the place that is not dealt yet, and its end
	for i := range s.entries {
		ends[s.entries[i].high>>(64-bits)]++
	}
	sum := uint32(0)
	for i, n := range ends {
		next[i] = sum
		sum += n
		ends[i] = sum
	}
	from := uint32(0)
	for b, to := range ends {
		// What is here and belongs elsewhere is exchanged until it does not.
		for at := next[b]; at < to; at = next[b] {
			e := s.entries[at]
			for own := e.high >> (64 - bits); own != uint64(b); own = e.high >> (64 - bits) {
				s.entries[next[own]], e = e, s.entries[next[own]]
				next[own]++
			}
			s.entries[at] = e
			next[b]++
		}
		slices.SortFunc(s.entries[from:to], entry.compare)
		from = to
	}
}

func (e entry) compare(o entry) int {
	if c := cmp.Compare(e.high, o.high); c != 0 {
		return c
	}
	if c := cmp.Compare(e.low, o.low); c != 0 {
		return c
	}
	return cmp.Compare(e.at, o.at)
}

// spill writes what is in memory as a run.
func (s *sorter) spill() error {
	if len(s.entries) == 0 {
		return nil
	}
	if err := s.create(); err != nil {
		return err
	}
	s.sort()
	from := s.size
	for _, e := range s.entries {
		if len(s.out)+runHeader+int(e.size) > sorterOut {
			if err := s.flush(); err != nil {
				return err
			}
		}
		s.out = binary.BigEndian.AppendUint64(s.out, e.high)
		s.out = binary.BigEndian.AppendUint64(s.out, e.low)
		s.out = binary.LittleEndian.AppendUint32(s.out, e.size)
		s.out = append(s.out, s.arena[e.at:e.at+e.size]...)
	}
	if err := s.flush(); err != nil {
		return err
	}
	s.runs = append(s.runs, extent{from, s.size})
	s.arena, s.entries = s.arena[:0], s.entries[:0]
	return nil
}

func (s *sorter) create() error {
	if s.file != nil {
		return nil
	}
	f, err := s.fs.OpenFile(s.name, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("create a file for sorting: %w", err)
	}
	s.file = f
	return nil
}

func (s *sorter) flush() error {
	if len(s.out) == 0 {
		return nil
	}
	n := int64(len(s.out))
	if err := s.file.WritevAt([][]byte{s.out}, s.size); err != nil {
		return fmt.Errorf("write %d bytes to %s: %w", n, s.name, err)
	}
	s.size += n
	s.out = s.out[:0]
	return nil
}

// close gives the memory back and removes the file.
func (s *sorter) close() error {
	if s.free != nil {
		s.free()
		s.free, s.arena, s.entries = nil, nil, nil
	}
	if s.file == nil {
		return nil
	}
	err := s.file.Close()
	s.file = nil
	if removed := s.fs.Remove(s.name); err == nil {
		err = removed
	}
	return err
}

// frames returns the frames in order. Nothing can be added after.
func (s *sorter) frames() (frameSource, error) {
	if s.file == nil {
		s.sort()
		return &memoryFrames{arena: s.arena, entries: s.entries}, nil
	}
	if err := s.spill(); err != nil {
		return nil, err
	}
	s.entries = nil
	return newMerger(s.file, s.runs, s.arena[:cap(s.arena)])
}

// frameSource gives frames in the order of their traces. A frame is valid until
// the next one is asked for; ok is false after the last.
type frameSource interface {
	next() (id [16]byte, frame []byte, ok bool, err error)
}

// memoryFrames are frames that all fit into memory.
type memoryFrames struct {
	arena   []byte
	entries []entry
}

func (m *memoryFrames) next() (id [16]byte, frame []byte, ok bool, err error) {
	if len(m.entries) == 0 {
		return id, nil, false, nil
	}
	e := m.entries[0]
	m.entries = m.entries[1:]
	binary.BigEndian.PutUint64(id[:], e.high)
	binary.BigEndian.PutUint64(id[8:], e.low)
	return id, m.arena[e.at : e.at+e.size], true, nil
}
