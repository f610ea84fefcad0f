package crashfs

import (
	"maps"
	"math/rand/v2"
	"slices"
)

// Mode says what becomes of changes that were not synced.
type Mode int

// The modes of a power cut.
const (
	LoseAll  Mode = iota // nothing that was not synced is there
	KeepAll              // all of it is
	Scramble             // every sector and every change of names for itself
	Garbage              // as Scramble, and a written sector may hold garbage
)

const sector = 512

// Kill ends the process but not the machine: the next life sees every change,
// and those that were not synced may still be lost to a power cut.
func (f *FS) Kill() *FS {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.crashed = true
	c := copier{nodes: map[node]node{}, namings: map[*naming]*naming{}, inode: func(n *inode) *inode {
		return &inode{
			data:    append([]byte(nil), n.data...),
			durable: append([]byte(nil), n.durable...),
			pending: append([]change(nil), n.pending...),
		}
	}}
	return c.filesystem(f, func(d *dir) map[string]node { return d.now }, false)
}

// PowerCut ends the machine; what is found afterwards is durable.
func (f *FS) PowerCut(mode Mode, rng *rand.Rand) *FS {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.crashed = true
	// One draw a cut, so that mostly lost and mostly kept both happen often.
	odds := rng.Float64()
	kept := func() bool {
		return mode == KeepAll || mode != LoseAll && rng.Float64() < odds
	}
	drawn := map[*naming]bool{}
	var named func(n *naming) bool
	named = func(n *naming) bool {
		is, known := drawn[n]
		if !known {
			is = n.state == sure || kept() && (n.first == nil || n.first.state != open || named(n.first))
			drawn[n] = is
		}
		return is
	}
	c := copier{nodes: map[node]node{}, namings: map[*naming]*naming{}, inode: func(n *inode) *inode {
		b := append([]byte(nil), n.durable...)
		for _, p := range n.pending {
			for _, part := range p.sectors() {
				if !kept() {
					continue
				}
				if mode == Garbage && rng.IntN(8) == 0 {
					part = part.garbled(rng)
				}
				b = part.apply(b)
			}
		}
		return &inode{data: append([]byte(nil), b...), durable: b}
	}}
	return c.filesystem(f, func(d *dir) map[string]node {
		names := maps.Clone(d.durable)
		for _, n := range d.pending {
			if named(n) {
				apply(names, n.entries)
			}
		}
		return names
	}, true)
}

// sectors takes a write apart at the boundaries of sectors.
func (c change) sectors() []change {
	if c.truncate {
		return []change{c}
	}
	var parts []change
	for off, data := c.off, c.data; len(data) > 0; {
		n := min(int64(len(data)), sector-off%sector)
		parts = append(parts, change{off: off, data: data[:n]})
		off, data = off+n, data[n:]
	}
	return parts
}

func (c change) garbled(rng *rand.Rand) change {
	if c.truncate {
		return c
	}
	b := make([]byte, len(c.data))
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return change{off: c.off, data: b}
}

// copier copies a tree, keeping apart nodes apart and shared ones shared.
type copier struct {
	nodes   map[node]node
	namings map[*naming]*naming
	inode   func(*inode) *inode
}

func (c *copier) filesystem(f *FS, names func(*dir) map[string]node, durable bool) *FS {
	next := &FS{capacity: f.capacity}
	next.root = c.dir(f.root, names, durable)
	next.used = next.root.bytes()
	return next
}

func (c *copier) dir(d *dir, names func(*dir) map[string]node, durable bool) *dir {
	next := newDir()
	c.nodes[d] = next
	visible := names(d)
	// sorted: a seed always gives the same crash
	for _, name := range slices.Sorted(maps.Keys(visible)) {
		next.now[name] = c.node(visible[name], names, durable)
	}
	if durable {
		maps.Copy(next.durable, next.now)
		return next
	}
	for name, n := range d.durable {
		next.durable[name] = c.node(n, names, durable)
	}
	for _, n := range d.pending {
		copied := c.naming(n)
		for _, e := range n.entries {
			copied.entries = append(copied.entries, entry{e.name, c.node(e.node, names, durable)})
		}
		next.pending = append(next.pending, copied)
	}
	return next
}

// naming returns the copy of n, the entries of which the directory that has it
// pending fills in.
func (c *copier) naming(n *naming) *naming {
	if n == nil {
		return nil
	}
	copied := c.namings[n]
	if copied == nil {
		copied = &naming{state: n.state}
		c.namings[n] = copied
		copied.first = c.naming(n.first)
	}
	return copied
}

func (c *copier) node(n node, names func(*dir) map[string]node, durable bool) node {
	if n == nil {
		return nil
	}
	if copied, ok := c.nodes[n]; ok {
		return copied
	}
	switch n := n.(type) {
	case *dir:
		return c.dir(n, names, durable)
	case *inode:
		copied := c.inode(n)
		c.nodes[n] = copied
		return copied
	}
	return nil
}
