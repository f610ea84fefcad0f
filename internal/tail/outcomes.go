package tail

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"appliance/internal/durable"
)

const (
	suffix   = ".verdicts"
	maxFile  = 4 << 30
	maxKnown = 16 // segments whose outcomes are in memory
)

// segment is the outcomes of one segment of the spool.
type segment struct {
	outcomes []verdict
	tenants  []string
	records  []outcome // by their offset
}

// add takes in a frame. Of a record that is there already the second is not: it
// was written again after a failure.
func (s *segment) add(f *frame) {
	base, tenants := len(s.outcomes), len(s.tenants)
	s.outcomes = append(s.outcomes, f.outcomes...)
	s.tenants = append(s.tenants, f.tenants...)
	for _, o := range f.records {
		if n := len(s.records); n > 0 && o.offset <= s.records[n-1].offset {
			continue
		}
		o.tenant += tenants
		o.runs, o.left = slices.Clone(o.runs), slices.Clone(o.left)
		for i := range o.runs {
			o.runs[i].outcome += base
		}
		for i := range o.left {
			o.left[i].outcome += base
		}
		s.records = append(s.records, o)
	}
}

// at is the outcome of a record; nil where none was written.
func (s *segment) at(offset int64) *outcome {
	i, ok := slices.BinarySearchFunc(s.records, offset, func(o outcome, offset int64) int {
		switch {
		case o.offset < offset:
			return -1
		case o.offset > offset:
			return 1
		}
		return 0
	})
	if !ok {
		return nil
	}
	return &s.records[i]
}

// each calls yield with what was left out of the records: tenant, rule, spans.
func (s *segment) each(yield func(tenant, rule string, spans int64)) {
	for _, o := range s.records {
		for _, l := range o.left {
			yield(s.tenants[o.tenant], s.outcomes[l.outcome].rule, l.spans)
		}
	}
}

// readSegment reads a file of verdicts. good is where its last whole frame ends.
// each is called with each frame.
func readSegment(fsys durable.FS, path string, each func(*frame)) (s *segment, good int64, err error) {
	b, err := durable.ReadFile(fsys, path, maxFile)
	if errors.Is(err, fs.ErrNotExist) {
		return &segment{}, 0, nil
	}
	if err != nil {
		return nil, 0, fmt.Errorf("read verdicts: %w", err)
	}
	s = &segment{}
	if !strings.HasPrefix(string(b), fileMagic) {
		return s, 0, nil
	}
	rest := b[len(fileMagic):]
	for {
		f, n, err := frameAt(rest)
		if err != nil {
			return s, int64(len(b) - len(rest)), nil
		}
		rest = rest[n:]
		s.add(&f)
		if each != nil {
			each(&f)
		}
	}
}

// known are the outcomes of the segments that were asked about last.
type known struct {
	fs  durable.FS
	dir string

	mu     sync.Mutex
	recent []string // newest last
	byName map[string]*segment
}

func newKnown(fsys durable.FS, dir string) *known {
	return &known{fs: fsys, dir: dir, byName: map[string]*segment{}}
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
		if len(k.recent) >= maxKnown {
			delete(k.byName, k.recent[0])
			k.recent = k.recent[1:]
		}
		k.byName[name] = s
	} else {
		k.recent = slices.DeleteFunc(k.recent, func(n string) bool { return n == name })
	}
	k.recent = append(k.recent, name)
	do(s)
	return nil
}

// add takes in a frame that was written just now.
func (k *known) add(name string, f *frame) error {
	k.mu.Lock()
	if k.byName[name] == nil { // it is in the file, from where it is read when it is asked for
		k.mu.Unlock()
		return nil
	}
	k.byName[name].add(f)
	k.mu.Unlock()
	return nil
}
