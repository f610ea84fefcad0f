package spool

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"appliance/internal/durable"
)

// Entry is a record and where it is.
type Entry struct {
	Position
	Record
	// Undecided says that a Sieve has not decided on it yet: it is as it was
	// appended, and spans of it may be left out later.
	Undecided bool
}

// ReadAt reads one record that is not deleted yet, also if it is released: what
// a Sieve hands out of it, all of it while that has not decided. The
// payload is in buf, which is grown if needed. ErrGone and ErrDamaged say that
// it cannot be read any more; any other error is the filesystem's, and may pass.
func (s *Spool) ReadAt(pos Position, buf []byte) (Entry, error) {
	g, f, end, err := s.acquire(pos.Segment)
	if err != nil {
		return Entry{}, err
	}
	defer s.release(g)
	p, err := g.walkTo(f, end).frameAt(pos)
	if err != nil {
		return Entry{}, err
	}
	e, err := s.readEntry(f, g, p, buf)
	if err != nil {
		return e, err
	}
	return s.sifted(e)
}

// acquire opens a segment; the caller calls release.
func (s *Spool) acquire(id uint64) (*segment, durable.File, mark, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g, ok := s.find(id)
	if !ok {
		return nil, nil, mark{}, fmt.Errorf("read segment %016x: %w", id, ErrGone)
	}
	f, err := g.acquire(s.opts.FS)
	return g, f, g.end, err
}

func (s *Spool) release(g *segment) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := g.drop(); err != nil {
		s.lastErr = fmt.Errorf("close segment: %w", err)
	}
}

// walkTo returns a walker for single frames, at places that are known.
func (g *segment) walkTo(f io.ReaderAt, end mark) *walker {
	return &walker{win: newWindow(f, headerSize+MaxTenant), salt: g.salt, end: end}
}

// frameAt reads the header of the record at pos.
func (w *walker) frameAt(pos Position) (piece, error) {
	if pos.Offset < segmentHeader || pos.Offset >= w.end.offset {
		return piece{}, fmt.Errorf("read %s: %w", pos, ErrGone)
	}
	h, ok, err := w.surely(pos.Offset)
	if err != nil {
		return piece{}, err
	}
	if !ok || h.kind != kindRecord {
		return piece{}, fmt.Errorf("read %s: %w", pos, ErrDamaged)
	}
	return piece{extent: extent{pos.Offset, h.size()}, header: h, index: h.index}, nil
}

// readEntry reads the payload of a frame into buf. A payload that is damaged,
// read twice, is noted as lost.
func (s *Spool) readEntry(f io.ReaderAt, g *segment, p piece, buf []byte) (Entry, error) {
	buf = slices.Grow(buf[:0], int(p.payload))[:p.payload]
	off := p.Offset + p.body()
	whole, err := readPayload(f, off, buf, p.sum)
	if err == nil && !whole {
		forget(f, off, int64(len(buf)))
		whole, err = readPayload(f, off, buf, p.sum)
	}
	if err != nil {
		return Entry{}, err
	}
	pos := Position{g.id, p.Offset}
	if !whole {
		s.note(f, g, damageOf(g, p))
		return Entry{}, fmt.Errorf("read %s: %w", pos, ErrDamaged)
	}
	return Entry{Position: pos, Record: Record{Tenant: p.tenant, Spans: int(p.spans), Time: p.when(), Payload: buf}}, nil
}

func readPayload(f io.ReaderAt, off int64, buf []byte, sum uint32) (whole bool, err error) {
	n, err := f.ReadAt(buf, off)
	if err != nil && !errors.Is(err, io.EOF) {
		return false, err
	}
	return n == len(buf) && payloadSum(buf) == sum, nil
}
