package spool

import (
	"errors"
	"fmt"
	"os"

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
	room := s.opts.MaxBytes - s.bytes - s.stuck.bytes.Load()
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
	} else if f, err = s.opts.FS.OpenFile(g.path, os.O_RDWR|os.O_CREATE|os.O_EXCL, fileMode); err != nil {
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
	if g.info, err = f.Stat(); err != nil {
		return errors.Join(fmt.Errorf("create segment: %w", err), f.Close(), s.opts.FS.Remove(g.path))
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
	s.retire(err)
}

// giveUp ends the active segment after an error of writing or syncing, which
// it returns. The file is never synced again: a sync that succeeds after one
// that failed says nothing. What was not acknowledged is cut off, if possible.
func (s *Spool) giveUp(cause error) error {
	s.retire(errors.Join(cause, s.active.file.Truncate(s.active.end.offset)))
	return cause
}

// retire makes the active segment one that is only read.
func (s *Spool) retire(err error) {
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
	if !act.vanished {
		s.bytes += size - act.size
	}
	act.size, act.sealed = size, true
	idle := act.left() <= 0
	s.wakeReaders()
	s.mu.Unlock()
	if idle {
		if err := s.saveState(); err != nil {
			s.failed("save state", err)
		}
	}
}
