package crashfs

import (
	"io"
	"io/fs"
	"slices"
	"strings"
	"time"
)

// inode is a file: what a reader sees, what the medium holds, and the changes
// between the two in their order.
type inode struct {
	data    []byte
	durable []byte
	pending []change
}

// change writes data at off, or cuts or extends the file to off.
type change struct {
	truncate bool
	off      int64
	data     []byte
}

func (c change) apply(to []byte) []byte {
	if c.truncate {
		return resize(to, c.off)
	}
	if end := c.off + int64(len(c.data)); end > int64(len(to)) {
		to = resize(to, end)
	}
	copy(to[c.off:], c.data)
	return to
}

func resize(b []byte, size int64) []byte {
	if size <= int64(len(b)) {
		return b[:size:size]
	}
	return append(b, make([]byte, size-int64(len(b)))...)
}

func (n *inode) change(c change) {
	n.data = c.apply(n.data)
	n.pending = append(n.pending, c)
}

func (n *inode) sync() {
	for _, c := range n.pending {
		n.durable = c.apply(n.durable)
	}
	n.pending = nil
}

// dir is a directory, likewise in two states.
type dir struct {
	now     map[string]node
	durable map[string]node
	pending []*naming
}

// naming changes names of a directory together.
type naming struct {
	entries []entry
	// first is what gives a file that is renamed into another directory its new
	// name, where the entries take the old one.
	first *naming
	state state
}

// state is what is sure of a naming.
type state int

const (
	open    state = iota // a power cut may keep it or lose it
	sure                 // it is on the medium
	dropped              // a sync lost it
)

// node is *inode, *dir, or nil for a name that is removed.
type node any

type entry struct {
	name string
	node node
}

func newDir() *dir { return &dir{now: map[string]node{}, durable: map[string]node{}} }

func (d *dir) change(name string, n node) *naming { return d.changes(entry{name, n}) }

func (d *dir) changes(es ...entry) *naming {
	apply(d.now, es)
	n := &naming{entries: es}
	d.pending = append(d.pending, n)
	return n
}

func (d *dir) sync() {
	for _, n := range d.pending {
		apply(d.durable, n.entries)
		n.state = sure
		if n.first != nil && n.first.state == open {
			n.first.state = sure
		}
	}
	d.pending = nil
}

// lose is a sync that failed: what was pending is lost, yet still shown to readers.
func (d *dir) lose() {
	for _, n := range d.pending {
		if n.state == open {
			n.state = dropped
		}
	}
	d.pending = slices.DeleteFunc(d.pending, func(n *naming) bool { return n.state == dropped })
}

func apply(to map[string]node, es []entry) {
	for _, e := range es {
		if e.node == nil {
			delete(to, e.name)
		} else {
			to[e.name] = e.node
		}
	}
}

func (d *dir) list() []fs.DirEntry {
	var list []fs.DirEntry
	for name, n := range d.now {
		list = append(list, infoOf(name, n))
	}
	slices.SortFunc(list, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return list
}

// bytes is the length of all files below d.
func (d *dir) bytes() int64 {
	var sum int64
	for _, n := range d.now {
		switch n := n.(type) {
		case *dir:
			sum += n.bytes()
		case *inode:
			sum += int64(len(n.data))
		}
	}
	return sum
}

// info is both fs.DirEntry and fs.FileInfo.
type info struct {
	name string
	size int64
	dir  bool
	node node
}

func infoOf(name string, n node) info {
	_, isDir := n.(*dir)
	i := info{name: name, dir: isDir, node: n}
	if file, ok := n.(*inode); ok {
		i.size = int64(len(file.data))
	}
	return i
}

func (i info) Name() string               { return i.name }
func (i info) IsDir() bool                { return i.dir }
func (i info) Type() fs.FileMode          { return i.Mode().Type() }
func (i info) Info() (fs.FileInfo, error) { return i, nil }
func (i info) Size() int64                { return i.size }
func (i info) ModTime() time.Time         { return time.Time{} }
func (i info) Sys() any                   { return i.node }
func (i info) Mode() fs.FileMode {
	if i.dir {
		return fs.ModeDir | 0o755
	}
	return 0o644
}

// file is an open inode.
type file struct {
	fs   *FS
	node *inode
	name string
}

func (h *file) ReadAt(p []byte, off int64) (int, error) {
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	if h.fs.crashed {
		return 0, ErrCrashed
	}
	if off >= int64(len(h.node.data)) {
		return 0, io.EOF
	}
	n := copy(p, h.node.data[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (h *file) WritevAt(bufs [][]byte, off int64) error {
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	data := slices.Concat(bufs...)
	dying, err := h.fs.step(Write, h.name)
	if err != nil && !dying {
		data = data[:len(data)/2]
	}
	grow := off + int64(len(data)) - int64(len(h.node.data))
	if grow > 0 {
		if full := h.fs.reserve(grow); full != nil && err == nil {
			err = full
			data = data[:max(0, int64(len(data))-grow)]
		}
	}
	if len(data) > 0 && (!h.fs.crashed || dying) {
		h.node.change(change{off: off, data: data})
	}
	return err
}

func (h *file) Size() (int64, error) {
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	if h.fs.crashed {
		return 0, ErrCrashed
	}
	return int64(len(h.node.data)), nil
}

func (h *file) Stat() (fs.FileInfo, error) {
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	if h.fs.crashed {
		return nil, ErrCrashed
	}
	return infoOf(h.name, h.node), nil
}

func (h *file) Allocate(size int64) error {
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	return h.resize(Allocate, max(size, int64(len(h.node.data))))
}

func (h *file) Truncate(size int64) error {
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	return h.resize(Truncate, size)
}

func (h *file) resize(kind Kind, size int64) error {
	dying, err := h.fs.step(kind, h.name)
	if err != nil && !dying {
		return err
	}
	if full := h.fs.reserve(size - int64(len(h.node.data))); full != nil {
		return full
	}
	h.node.change(change{truncate: true, off: size})
	return err
}

func (h *file) Sync() error {
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	dying, err := h.fs.step(Sync, h.name)
	switch {
	case err == nil:
		h.node.sync()
	case !dying && !h.fs.crashed:
		h.node.pending = nil // lost, yet still shown to readers
	}
	return err
}

func (h *file) Close() error { return nil }
