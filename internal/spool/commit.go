package spool

import (
	"errors"
	"fmt"
	"os"
	"time"

	"appliance/internal/durable"
)

// active is the segment that is written to.
type active struct {
	*segment
	file  durable.File
	named bool  // its name is synced
	limit int64 // frames end before it
}

func (a *active) holds(size int64) bool { return a.end.offset+size <= a.limit }

// write is the writer: the only one who changes segment files.
func (s *Spool) write() {
	defer close(s.stopped)
	want, wait := 0, time.Duration(0)
	var bufs [][]byte
	for {
		waiting, g := s.queue.take(s.opts.MaxGroupBytes, want, wait)
		if g == nil {
			break
		}
		want = len(waiting)
		start := time.Now()
		for len(waiting) > 0 {
			n, err := s.place(waiting)
			if err == nil {
				bufs, err = s.commit(waiting[:n], bufs[:0], g, n == len(waiting))
				clear(bufs)
			}
			for _, a := range waiting[:n] {
				a.done <- err
			}
			waiting = waiting[n:]
		}
		g.finish()
		s.prepareSpare()
		wait = min(time.Since(start), s.opts.MaxGroupWait)
	}
	if s.active != nil {
		s.seal()
	}
	s.dropSpare()
}

// place finds a segment for the first of waiting and for as many of those
// behind it as fit. With an error it returns how many the error is for.
func (s *Spool) place(waiting []*appender) (n int, err error) {
	size := waiting[0].size
	if s.active == nil || !s.active.holds(size) {
		if err := s.roll(size); errors.Is(err, ErrFull) {
			return 1, err // a smaller one may fit
		} else if err != nil {
			return len(waiting), err
		}
	}
	room := s.active.limit - s.active.end.offset
	for n < len(waiting) && waiting[n].size <= room {
		room -= waiting[n].size
		n++
	}
	return n, nil
}

// commit writes and syncs group in the active segment. On an error the segment
// is given up: what it held before stays readable, nothing is added to it.
func (s *Spool) commit(waiting []*appender, bufs [][]byte, g *group, last bool) ([][]byte, error) {
	act := s.active
	at := act.end
	total := Tally{}
	for _, a := range waiting {
		h := header{
			kind:    kindRecord,
			tenant:  a.rec.Tenant,
			payload: uint32(len(a.rec.Payload)),
			index:   at.index,
			spans:   uint32(a.rec.Spans),
			group:   uint32(act.end.offset),
			before:  at.before,
			sum:     a.sum,
		}
		if !a.rec.Time.IsZero() {
			h.time = a.rec.Time.UnixNano()
		}
		a.head = h.appendTo(a.head[:0], act.salt, at.offset)
		a.pos = Position{act.id, at.offset}
		bufs = append(bufs, a.head, a.rec.Payload)
		total.add(h.tenant, h.counts())
		at = mark{at.offset + h.size(), at.index + 1, at.before + uint64(h.spans)}
	}
	if err := act.file.WritevAt(bufs, act.end.offset); err != nil {
		return bufs, s.giveUp(fmt.Errorf("write %d bytes to segment %s: %w", at.offset-act.end.offset, act.identity, err))
	}
	if last {
		g.finish() // whoever does not want to wait for the sync may go
	}
	if err := act.file.Sync(); err != nil {
		return bufs, s.giveUp(fmt.Errorf("sync segment %s: %w", act.identity, err))
	}
	s.syncs.Add(1)
	if !act.named {
		if err := s.opts.FS.SyncDir(s.dir); err != nil {
			return bufs, s.giveUp(fmt.Errorf("sync directory %s: %w", s.dir, err))
		}
		act.named = true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if act.total.Records == 0 && !waiting[0].rec.Time.IsZero() {
		act.oldest = waiting[0].rec.Time.UnixNano()
	}
	act.total.addAll(total)
	act.end = at
	s.appended = s.appended.plus(total.Counts)
	s.wakeReaders()
	return bufs, nil
}

// finish lets go those who wait for the group to be written.
func (g *group) finish() {
	select {
	case <-g.written:
	default:
		close(g.written)
	}
}

// roll seals the active segment and makes a new one with room for a frame.
func (s *Spool) roll(frame int64) error {
	need := segmentHeader + frame + footerRoom
	if need > s.room() {
		s.dropSpare()
	}
	if need > s.room() {
		return ErrFull
	}
	if s.active != nil {
		s.seal()
	}
	// Should sealing not have freed what it was to free, this says so.
	room := s.room()
	if need > room {
		return ErrFull
	}
	return s.create(max(need, min(s.opts.SegmentBytes, room)), need)
}

// room is how large a new segment can be once the active one is sealed.
func (s *Spool) room() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	room := s.opts.MaxBytes - s.bytes
	if s.active != nil {
		room += s.active.size - s.active.end.offset - footerRoom
		if s.active.left() <= 0 {
			room += s.active.end.offset // it will be deleted
		}
	}
	return room
}

func (s *Spool) addBytes(n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bytes += n
}

// create makes a new active segment of size bytes, or from a spare of at least
// need. Nothing is synced yet: the first group is acknowledged after the file
// and the directory are.
func (s *Spool) create(size, need int64) error {
	s.lastID++
	g := newSegment(s.dir, identity{s.lastID, s.opts.salt()})
	var f durable.File
	var err error
	if sp := s.takeSpare(need, g.path); sp != nil {
		f, size = sp.file, sp.size
	} else if f, err = s.opts.FS.OpenFile(g.path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o644); err != nil {
		return fmt.Errorf("create segment: %w", err)
	} else {
		err = f.Allocate(size)
	}
	if err == nil {
		err = f.WritevAt([][]byte{appendSegmentHeader(nil, g.identity, s.opts.now())}, 0)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("create segment of %d bytes: %w", size, err), f.Close(), s.opts.FS.Remove(g.path))
	}
	g.size = size
	s.active = &active{segment: g, file: f, limit: size - footerRoom}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.segments = append(s.segments, g)
	s.bytes += size
	return nil
}

// seal ends the active segment with a footer. If that fails the segment has
// none, and the next Open reads it whole.
func (s *Spool) seal() {
	act := s.active
	_, err := seal(act.file, act.segment, act.end.offset)
	s.retire(err == nil, err)
}

// giveUp ends the active segment after an error of writing or syncing, which
// it returns. The file is never synced again: a sync that succeeds after one
// that failed says nothing. What was not acknowledged is cut off, if possible.
func (s *Spool) giveUp(cause error) error {
	s.retire(false, errors.Join(cause, s.active.file.Truncate(s.active.end.offset)))
	return cause
}

// retire makes the active segment one that is only read.
func (s *Spool) retire(footed bool, err error) {
	act := s.active
	s.active = nil
	size, sizeErr := act.file.Size()
	if sizeErr != nil {
		size = act.size
	}
	if err := errors.Join(err, sizeErr, act.file.Close()); err != nil {
		s.failed("seal segment", err)
	}
	s.mu.Lock()
	s.bytes += size - act.size
	act.size, act.sealed, act.footed = size, true, footed
	idle := act.left() <= 0
	s.wakeReaders()
	s.mu.Unlock()
	if idle {
		if err := s.saveState(); err != nil {
			s.failed("save state", err)
		}
	}
}
