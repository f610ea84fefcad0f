package tail

import (
	"path/filepath"
	"slices"
	"sync"

	"appliance/internal/durable"
)

// known are the outcomes of the segments that were asked about last. They take
// at most so many bytes, where those of one segment do not take more.
type known struct {
	fs   durable.FS
	dir  string
	most int

	mu     sync.Mutex
	bytes  int
	recent []string // newest last
	byName map[string]*segment
}

func newKnown(fsys durable.FS, dir string, most int) *known {
	return &known{fs: fsys, dir: dir, most: most, byName: map[string]*segment{}}
}

func (k *known) path(name string) string { return filepath.Join(k.dir, name+suffix) }

// ask calls do with the outcomes of a segment.
func (k *known) ask(name string, do func(*segment)) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	s := k.byName[name]
	if s == nil {
		var err error
		if s, _, err = readSegment(k.fs, k.path(name), nil); err != nil {
			return err
		}
		k.byName[name] = s
		k.bytes += s.size()
	}
	if n := len(k.recent); n == 0 || k.recent[n-1] != name {
		k.recent = append(slices.DeleteFunc(k.recent, func(r string) bool { return r == name }), name)
	}
	k.makeRoom()
	do(s)
	return nil
}

// add takes in a frame that was written just now.
func (k *known) add(name string, f *frame) {
	k.mu.Lock()
	defer k.mu.Unlock()
	s := k.byName[name]
	if s == nil { // it is in the file, from where it is read when it is asked for
		return
	}
	before := s.size()
	s.add(f)
	k.bytes += s.size() - before
	k.makeRoom()
}

// makeRoom forgets what was asked for longest ago, and never the newest.
func (k *known) makeRoom() {
	for k.bytes > k.most && len(k.recent) > 1 {
		k.forget(k.recent[0])
		k.recent = k.recent[1:]
	}
}

func (k *known) forget(name string) {
	k.bytes -= k.byName[name].size()
	delete(k.byName, name)
}

// keep forgets all segments but those.
func (k *known) keep(names []string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.recent = slices.DeleteFunc(k.recent, func(name string) bool {
		gone := !slices.Contains(names, name)
		if gone {
			k.forget(name)
		}
		return gone
	})
}
