package spool

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"appliance/internal/durable"
)

const spareName = "spare"

// spare is a file for the next segment, full of zeros that are synced. Syncing
// what is written over them changes nothing but data, so that it need not wait
// for the filesystem's journal, in which everybody's changes queue: on a busy
// ext4 that halves the median, and the p99 too. It means nothing until it is
// given a segment's name.
type spare struct {
	file durable.File
	size int64
}

// prepareSpare begins to make a spare when the active segment is half full and
// there is room enough. Only the writer calls it.
func (s *Spool) prepareSpare() {
	if s.opts.NoSpare || s.spare != nil || s.active == nil || s.active.end.offset < s.active.limit/2 {
		return
	}
	size := s.opts.SegmentBytes
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.opts.MaxBytes-s.bytes < 2*size {
		return
	}
	s.bytes += size
	s.spare = make(chan *spare, 1)
	go func(done chan<- *spare) {
		sp := &spare{size: size}
		var err error
		if sp.file, err = s.makeSpare(size); err != nil {
			// On a full disk it is tried again with each group; who needs room is told.
			if !errors.Is(err, ErrClosed) && !DiskFull(err) {
				s.failed("prepare segment", err)
			}
			s.discardSpare(sp)
			sp = nil
		}
		done <- sp
	}(s.spare)
}

// makeSpare writes and syncs the zeros, bit by bit so that the syncs of others
// get through.
func (s *Spool) makeSpare(size int64) (_ durable.File, err error) {
	f, err := s.opts.FS.OpenFile(s.sparePath(), os.O_RDWR|os.O_CREATE|os.O_TRUNC, fileMode)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("fill %d bytes: %w", size, err), f.Close())
		}
	}()
	if err := f.Allocate(size); err != nil {
		return nil, err
	}
	const step = 4 << 20
	for off, n := int64(0), int64(0); off < size; off += n {
		if s.queue.isClosed() {
			return nil, ErrClosed
		}
		n = min(wholeWindow, size-off)
		if err := f.WritevAt([][]byte{zeros[:n]}, off); err != nil {
			return nil, err
		}
		if (off+n)%step == 0 || off+n == size {
			if err := f.Sync(); err != nil {
				return nil, err
			}
		}
	}
	return f, nil
}

// takeSpare gives the spare its name, if it is ready and large enough; else it
// returns nil.
func (s *Spool) takeSpare(need int64, name string) *spare {
	var sp *spare
	select {
	case sp = <-s.spare:
		s.spare = nil
	default: // not ready, or none is being made
	}
	if sp == nil {
		return nil
	}
	if sp.size < need {
		s.discardSpare(sp)
		return nil
	}
	if err := s.opts.FS.Rename(s.sparePath(), name); err != nil {
		s.failed("use prepared segment", err)
		s.discardSpare(sp)
		return nil
	}
	s.addBytes(-sp.size)
	return sp
}

// dropSpare gives up the spare; if it is being made, once it is.
func (s *Spool) dropSpare() {
	if s.spare == nil {
		return
	}
	if sp := <-s.spare; sp != nil {
		s.discardSpare(sp)
	}
	s.spare = nil
}

// discardSpare deletes a spare, or what there is of one that could not be made.
func (s *Spool) discardSpare(sp *spare) {
	var err error
	if sp.file != nil {
		err = sp.file.Close()
	}
	if err := errors.Join(err, removeSpare(s.opts.FS, s.dir)); err != nil {
		s.failed("delete prepared segment", err)
	}
	s.addBytes(-sp.size)
}

// removeSpare also deletes what a crash left. That need not be durable.
func removeSpare(fsys durable.FS, dir string) error {
	err := fsys.Remove(filepath.Join(dir, spareName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func (s *Spool) sparePath() string { return filepath.Join(s.dir, spareName) }
