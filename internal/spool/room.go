package spool

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"appliance/internal/durable"
)

// minStateRoom is the least that is reserved for the next state file, in bytes.
const minStateRoom = 8 << 10

// replaceState replaces the state file, in the room that reserveState has got
// for it, if there is some.
func (s *Spool) replaceState(b []byte) error {
	name := filepath.Join(s.dir, stateName)
	temp := name + durable.TempSuffix
	if err := s.writeOver(temp, b); err != nil {
		return errors.Join(err, durable.Remove(s.opts.FS, temp)) // of which a sync may have failed
	}
	s.stateRoom = max(minStateRoom, 2*int64(len(b)))
	return durable.Rename(s.opts.FS, temp, name)
}

// copyState writes the state a second time, over what its copy held, which needs
// no room on the disk. A crash may leave half of it, and the state file beside
// it whole. That it fails is not a reason to keep segments, but worth a line.
func (s *Spool) copyState(b []byte) {
	err := s.writeOver(filepath.Join(s.dir, stateCopy), padState(b, copyUnit))
	if err == nil && !s.copyNamed {
		err = s.opts.FS.SyncDir(s.dir)
		s.copyNamed = err == nil
	}
	s.mu.Lock()
	first := err != nil && !s.uncopied
	s.uncopied = err != nil
	s.mu.Unlock()
	if first {
		s.failed("copy the state file", err)
	}
}

// copyUnit is what the size of the copy is a multiple of, in bytes, so that a
// state of nearly the same size changes nothing but bytes.
const copyUnit = 4 << 10

// setStateAside keeps a state file that is of no use for a person to look at.
func (s *Spool) setStateAside() {
	name := filepath.Join(s.dir, stateName)
	err := durable.Rename(s.opts.FS, name, filepath.Join(s.dir, stateAside))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.failed("set the state file aside", err)
	}
}

func (s *Spool) writeOver(name string, b []byte) (err error) {
	f, err := s.opts.FS.OpenFile(name, os.O_RDWR|os.O_CREATE, fileMode)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := f.WritevAt([][]byte{b}, 0); err != nil {
		return fmt.Errorf("write %d bytes to %s: %w", len(b), name, err)
	}
	if err := f.Truncate(int64(len(b))); err != nil { // after writing, for which it keeps the room
		return err
	}
	if err := f.Sync(); err != nil {
		return fmt.Errorf("sync %s: %w", name, err)
	}
	return nil
}

// reserveState gets room for the next state file, so that a disk that fills
// until then does not keep it from being written. It is a precaution: an error
// will show in the writing.
func (s *Spool) reserveState() {
	f, err := s.opts.FS.OpenFile(filepath.Join(s.dir, stateName)+durable.TempSuffix, os.O_RDWR|os.O_CREATE, fileMode)
	if err != nil {
		return
	}
	_ = errors.Join(f.Allocate(s.stateRoom), f.Close())
}
