package spool

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"

	"appliance/internal/durable"
)

// Report is what Verify found.
type Report struct {
	Segments int    `json:"segments"`
	Bytes    int64  `json:"bytes"`
	Intact   Counts `json:"intact"` // records of which every byte is right, released ones included
	// Damage has Lost zero where nothing was lost: in what was torn by a crash,
	// released, or of no consequence.
	Damage     []Damage `json:"damage,omitempty"`
	Unreadable []string `json:"unreadable,omitempty"` // segments that could not be read at all
	State      string   `json:"state,omitempty"`      // what is wrong with the state file
}

// Sound says that nothing that was acknowledged is damaged.
func (r Report) Sound() bool {
	return len(r.Unreadable) == 0 && r.State == "" &&
		!slices.ContainsFunc(r.Damage, func(d Damage) bool { return !d.Torn })
}

// Verify reads every byte of the spool in dir and changes nothing. A server may
// be running there: what it is writing just now can show as torn. fsys nil is
// durable.OS.
func Verify(fsys durable.FS, dir string) (Report, error) {
	opts := Options{FS: fsys}.withDefaults()
	inv, err := takeInventory(opts.FS, dir)
	if err != nil {
		return Report{}, fmt.Errorf("verify spool: %w", err)
	}
	var r Report
	for _, err := range inv.unreadable {
		r.Unreadable = append(r.Unreadable, err.Error())
	}
	if inv.stateErr != nil {
		r.State = inv.stateErr.Error()
	}
	for _, g := range inv.segments {
		err := r.verify(opts.FS, g, inv.unfooted[g])
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			r.Unreadable = append(r.Unreadable, fmt.Sprintf("read segment %s: %v", g.identity, err))
		}
	}
	ids, err := listStuck(opts.FS, dir)
	if err != nil {
		return Report{}, fmt.Errorf("verify spool: %w", err)
	}
	for _, id := range ids {
		e, size, err := readStuck(opts.FS, dir, id)
		if errors.Is(err, ErrGone) {
			continue
		}
		r.Bytes += size
		if err != nil {
			r.Unreadable = append(r.Unreadable, err.Error())
			continue
		}
		r.Intact = r.Intact.plus(Counts{1, int64(e.Spans)})
	}
	return r, nil
}

func (r *Report) verify(fsys durable.FS, g *segment, found surveyed) error {
	f, err := fsys.OpenFile(g.path, os.O_RDONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	r.Segments++
	r.Bytes += g.size
	if !g.headed {
		r.Damage = append(r.Damage, Damage{Position: Position{g.id, 0}, Bytes: segmentHeader})
	}
	for _, d := range found.damage {
		if d.Torn {
			r.Damage = append(r.Damage, d)
		}
	}
	w := g.walk(f, wholeWindow)
	w.at = segmentStart
	for {
		p, err := w.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		ok := false
		if !p.damaged {
			if ok, err = w.intact(p); err != nil {
				return err
			}
		}
		if ok {
			r.Intact = r.Intact.plus(p.counts())
			continue
		}
		d := damageOf(g, p)
		if d.Offset < g.low.offset {
			d.Lost = Counts{}
		}
		r.Damage = append(r.Damage, d)
	}
}
