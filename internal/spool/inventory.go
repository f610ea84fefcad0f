package spool

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"appliance/internal/durable"
)

const quarantineName = "quarantine"

// inventory is what a directory holds. Taking it changes nothing.
type inventory struct {
	fsys       durable.FS
	dir        string
	segments   []*segment // in the order of their ids
	unfooted   map[*segment]surveyed
	unreadable []error // one for each segment that could not be read
	setAside   int64   // bytes of those
	aside      map[string]bool
	state      state // Segments has been applied to segments
	stateErr   error // the state file cannot be used
	lastID     uint64
}

// surveyed is what a survey found in a segment without a footer.
type surveyed struct {
	size   int64
	damage []Damage
	claim  int64
}

// takeInventory reads the footers of all segments, and all of those that have
// none: the one that is or was written to last, as a rule.
func takeInventory(fsys durable.FS, dir string) (*inventory, error) {
	inv := &inventory{fsys: fsys, dir: dir, unfooted: make(map[*segment]surveyed), aside: make(map[string]bool)}
	// The state first: beside a running server, segments listed afterwards are
	// at least as far as it says.
	var err error
	if inv.state, inv.stateErr, err = readState(fsys, dir); err != nil {
		return nil, err
	}

	entries, err := fsys.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if filepath.Ext(e.Name()) != segmentSuffix {
			continue
		}
		if err := inv.add(e.Name()); err != nil {
			return nil, err
		}
	}
	inv.applyState()
	return inv, nil
}

// add takes in one segment file. An error is a reason not to go on at all.
func (inv *inventory) add(name string) error {
	i, ok := parseFileName(name)
	if !ok {
		inv.unreadable = append(inv.unreadable, fmt.Errorf("segment file %s: its name is not a segment's", name))
		return nil
	}
	inv.lastID = max(inv.lastID, i.id)
	g := newSegment(inv.dir, i)
	err := inv.read(g)
	switch {
	case errors.Is(err, fs.ErrNotExist): // deleted since it was listed
	case errors.Is(err, ErrVersion):
		return err
	case err != nil:
		inv.unreadable = append(inv.unreadable, fmt.Errorf("read segment %s: %w", i, err))
		inv.aside[g.String()] = true
		inv.setAside += g.size
	default:
		inv.segments = append(inv.segments, g)
	}
	return nil
}

func (inv *inventory) read(g *segment) error {
	f, err := inv.fsys.OpenFile(g.path, os.O_RDONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	if g.info, err = f.Stat(); err != nil {
		return err
	}
	g.size = g.info.Size()
	b := make([]byte, segmentHeader)
	n, err := f.ReadAt(b, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if g.headed, err = checkSegmentHeader(b[:n], g.identity); err != nil {
		return err
	}
	if footed, err := readFooter(f, g, g.size); footed || err != nil {
		return err
	}
	damage, claim, err := survey(f, g, g.size)
	if err != nil {
		return err
	}
	inv.unfooted[g] = surveyed{g.size, damage, claim}
	return nil
}

// applyState moves each segment's cursor to where the state file says, and
// takes those whose file is gone into the sums.
func (inv *inventory) applyState() {
	cursors := make(map[string]cursor)
	for _, c := range inv.state.Segments {
		cursors[c.Segment] = c
		if i, ok := parseIdentity(c.Segment); ok {
			inv.lastID = max(inv.lastID, i.id)
		}
	}
	for _, g := range inv.segments {
		c, ok := cursors[g.String()]
		if !ok {
			continue
		}
		delete(cursors, g.String())
		if v := c.Vanished; v != nil && v.Released.Records+v.Lost.Records != g.total.Records {
			inv.state.Released.addAll(v.Released) // what has come back is another file
			inv.state.Lost.addAll(v.Lost)
			continue
		}
		g.low = mark{c.Offset, c.Index, c.Before}
		if g.low.offset > g.end.offset {
			g.low = g.end // cut by somebody; all that is left was released
		}
		g.released, g.lost = c.Released, c.Lost
		g.gone.addAll(c.Released)
		g.gone.addAll(c.Lost)
	}
	var aside []cursor
	for _, c := range inv.state.Segments {
		_, left := cursors[c.Segment]
		switch {
		case left && inv.aside[c.Segment]:
			aside = append(aside, c) // for the Open that can read it
		case left && c.Vanished != nil:
			inv.state.Released.addAll(c.Vanished.Released)
			inv.state.Lost.addAll(c.Vanished.Lost)
		case left:
			inv.state.Released.addAll(c.Released)
			inv.state.Lost.addAll(c.Lost)
		}
	}
	inv.state.Segments = aside
}
