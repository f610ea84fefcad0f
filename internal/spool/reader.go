package spool

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"time"
)

// Reader reads all records that are not released, in the order in which they
// were appended and each of them once. It is for one goroutine.
type Reader struct {
	spool *Spool
	read  uint64   // segments up to this id are behind us
	g     *segment // the one we are in, acquired; or nil
	walk  walker   // in g
	from  Position // where it begins
	lost  int      // how often it passed over what is lost

	passed  bool     // only what a Sieve has decided, as it decided
	blocked Position // the record at the gate, where there is one
}

// NewReader returns a Reader that begins with the oldest record that is not
// released. It must be closed.
func (s *Spool) NewReader() *Reader { return &Reader{spool: s} }

// Close gives back what the Reader holds.
func (r *Reader) Close() {
	if r.g != nil {
		r.spool.release(r.g)
		r.g = nil
	}
}

// Next returns the next record and waits for one if there is none; with a ctx
// that has ended it does not wait. The payload is in buf, which is grown if
// needed. What is damaged is noted and passed over. After Close of the spool it
// is ErrClosed once all is read. An error of the filesystem leaves the Reader
// where it is: Next tries again, Skip goes on behind.
func (r *Reader) Next(ctx context.Context, buf []byte) (Entry, error) {
	return r.NextUpTo(ctx, buf, MaxPayload)
}

// NextUpTo is Next for payloads of so many bytes at the most. A record with a
// larger one is not read: that is ErrOverLimit, and the Reader stays where it is.
func (r *Reader) NextUpTo(ctx context.Context, buf []byte, most int) (Entry, error) {
	for {
		p, err := r.next()
		if errors.Is(err, io.EOF) {
			if err := r.spool.wait(ctx, r); err != nil {
				return Entry{}, err
			}
			continue
		}
		if err != nil {
			return Entry{}, err
		}
		here := mark{p.Offset, p.index, p.before}
		if int64(p.payload) > int64(most) {
			r.walk.at = here
			return Entry{}, ErrOverLimit
		}
		e, err := r.spool.readEntry(r.walk.win.file, r.g, p, buf)
		if errors.Is(err, ErrDamaged) {
			r.lost++
			continue
		}
		if err == nil && r.passed {
			if e, err = r.spool.sifted(e); err == nil && e.Spans == 0 && p.spans > 0 {
				r.spool.markReleased(r.g, p, int64(p.spans))
				_ = r.spool.Release() // for the checkpoint, which the next one makes up for
				continue
			}
		}
		if err != nil {
			r.walk.at = here
		}
		return e, err
	}
}

// Lost grows whenever the Reader passes over what is damaged. Where it does not,
// records that follow each other are all that there are, but for those released.
func (r *Reader) Lost() int { return r.lost }

// Position is where the record begins at which Next failed, or from where on the
// next one is looked for.
func (r *Reader) Position() Position {
	if r.g == nil {
		return Position{Segment: r.read + 1}
	}
	return Position{r.g.id, r.walk.at.offset}
}

// Skip passes over the record at which Next failed, or, where not even its
// header can be read, to the next header that can. What is skipped stays pending.
func (r *Reader) Skip() {
	if r.g == nil { // it could not even be opened
		r.spool.mu.Lock()
		defer r.spool.mu.Unlock()
		if g, _ := r.spool.find(r.read + 1); g != nil {
			r.read = g.id
		}
		return
	}
	if _, err := r.walk.next(); err == nil {
		return
	}
	for off := r.walk.at.offset + 1; off < r.walk.end.offset; off = (off/readUnit + 1) * readUnit {
		at, h, err := r.walk.search(off)
		if err != nil {
			continue
		}
		if r.walk.at = r.walk.end; at < r.walk.end.offset {
			r.walk.at = mark{at, h.index, h.before}
		}
		return
	}
	r.walk.at = r.walk.end
}

// readUnit is what a disk gives or does not give at once, in bytes.
const readUnit = 4 << 10

// Info is a record without its payload.
type Info struct {
	Position
	Tenant string
	Spans  int
	Time   time.Time
	Bytes  int // of the payload
}

// Pending iterates over the records that are committed and not released, from a
// position on, without reading payloads and without waiting. After an error it goes on
// behind what the disk does not give.
func (s *Spool) Pending(from Position) iter.Seq2[Info, error] {
	return func(yield func(Info, error) bool) {
		r := s.NewReader()
		defer r.Close()
		r.read = max(from.Segment, 1) - 1
		for {
			p, err := r.next()
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				if !yield(Info{}, err) {
					return
				}
				r.Skip()
				continue
			}
			i := Info{Position{r.g.id, p.Offset}, p.tenant, int(p.spans), p.when(), int(p.payload)}
			if i.Compare(from) >= 0 && !yield(i, nil) {
				return
			}
		}
	}
}

// next returns the next frame that is not done, or io.EOF if there is none yet.
func (r *Reader) next() (piece, error) {
	r.blocked = Position{}
	for {
		if r.g == nil {
			if err := r.enter(); err != nil {
				return piece{}, err
			}
		}
		p, err := r.walk.next()
		switch {
		case errors.Is(err, io.EOF):
			if !r.leave() {
				return piece{}, io.EOF
			}
		case err != nil:
			return piece{}, fmt.Errorf("read %s: %w", Position{r.g.id, r.walk.at.offset}, err)
		case p.damaged:
			r.lost++
			r.spool.note(r.walk.win.file, r.g, damageOf(r.g, p))
		case r.g.id == r.from.Segment && p.Offset < r.from.Offset:
		case !r.spool.isDone(r.g, p):
			if pos := (Position{r.g.id, p.Offset}); r.passed && r.spool.isBehind(pos) {
				r.walk.at, r.blocked = mark{p.Offset, p.index, p.before}, pos
				return piece{}, io.EOF
			}
			return p, nil
		case r.spool.isLost(r.g, p):
			r.lost++
		}
	}
}

// enter goes into the next segment, or returns io.EOF.
func (r *Reader) enter() error {
	s := r.spool
	s.mu.Lock()
	defer s.mu.Unlock()
	g, _ := s.find(r.read + 1)
	if g == nil {
		return io.EOF
	}
	f, err := g.acquire(s.opts.FS)
	if err != nil {
		return fmt.Errorf("read segment %s: %w", g.identity, err)
	}
	r.g = g
	r.walk = g.walk(f, headerWindow)
	return nil
}

// leave is called at the end of what was committed in a segment when last
// looked. It is false if that is still the end.
func (r *Reader) leave() bool {
	s := r.spool
	s.mu.Lock()
	end, sealed := r.g.end, r.g.sealed
	s.mu.Unlock()
	switch {
	case end.offset > r.walk.end.offset:
		r.walk.end = end
	case sealed:
		r.read = r.g.id
		r.Close()
	default:
		return false
	}
	return true
}

// wait returns once there may be more for r to read.
func (s *Spool) wait(ctx context.Context, r *Reader) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	next, _ := s.find(r.read + 1)
	more := next != nil && (next != r.g || next.sealed || next.end.offset > r.walk.end.offset)
	if r.blocked != (Position{}) {
		more = !s.sift.behind(r.blocked)
	}
	if more || s.closed {
		s.mu.Unlock()
		if !more {
			return ErrClosed
		}
		return nil
	}
	if s.grown == nil {
		s.grown = make(chan struct{})
	}
	grown := s.grown
	s.mu.Unlock()
	select {
	case <-grown:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *Spool) isBehind(pos Position) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sift.behind(pos)
}

// isDone says that a record is released or lost.
func (s *Spool) isDone(g *segment, p piece) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return p.Offset < g.low.offset || g.done.has(p.index)
}

// isLost says that a record is done because it is lost.
func (s *Spool) isLost(g *segment, p piece) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, lost := g.damage[p.Offset]
	return lost
}
