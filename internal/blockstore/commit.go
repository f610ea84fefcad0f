package blockstore

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"appliance/internal/durable"
)

// commit is a change of which blocks there are. Its outputs are proven. Once its
// file is synced they count and the sources do not, whatever is in which
// directory.
type commit struct {
	Tenant  string   `json:"tenant"`
	Sources []string `json:"sources"`
	Outputs []string `json:"outputs"`
	path    string
	stays   bool // it was removed, and the sync of that failed
}

const (
	commitSuffix = ".json"
	maxCommit    = 16 << 20
)

// commits are those on the disk, by their outputs. An output may be merged again, or
// be past the retention, while a query still holds back the sources of the commit
// that made it. Then the commit must not name it any more when it goes: the next
// start would look for it.
type commits struct {
	mu sync.Mutex
	of map[string]*commit
	// left are the outputs of those that may be on the disk and were not carried out:
	// the next start looks for them in staging.
	left map[string]bool
}

// leave notes that a commit may count, and that the next start carries it out.
func (o *commits) leave(c *commit) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, id := range c.Outputs {
		o.left[id] = true
	}
}

// leaves says that the next start needs a block in staging.
func (o *commits) leaves(id string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.left[id]
}

// add notes a commit that was saved.
func (o *commits) add(c *commit) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, id := range c.Outputs {
		o.of[id] = c
	}
}

// disown makes the commit of a block, if there is one, name it no more.
func (o *commits) disown(fsys durable.FS, id string) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	c := o.of[id]
	if c == nil {
		return nil
	}
	without := *c
	without.Outputs = slices.DeleteFunc(slices.Clone(c.Outputs), func(out string) bool { return out == id })
	if err := without.save(fsys); err != nil {
		return err
	}
	c.Outputs = without.Outputs
	delete(o.of, id)
	return nil
}

// remove removes a commit that is carried out.
func (o *commits) remove(fsys durable.FS, c *commit) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if c.stays { // a sync that succeeds now says nothing, if there is nothing to remove
		if err := c.save(fsys); err != nil {
			return err
		}
	}
	if err := durable.Remove(fsys, c.path); err != nil {
		c.stays = true
		return err
	}
	for _, id := range c.Outputs {
		delete(o.of, id)
	}
	return nil
}

// save makes the commit count.
func (c *commit) save(fsys durable.FS) error {
	text, err := json.MarshalIndent(c, "", " ")
	if err != nil {
		return fmt.Errorf("encode a commit: %w", err)
	}
	if err := durable.WriteFile(fsys, c.path, append(text, '\n'), fileMode); err != nil {
		return fmt.Errorf("commit blocks: %w", err)
	}
	return nil
}

// readCommits returns what is committed and may not be carried out.
func readCommits(fsys durable.FS, dir string) ([]*commit, error) {
	entries, err := fsys.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list commits: %w", err)
	}
	var found []*commit
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), commitSuffix) {
			continue // of a commit that was being written, and so does not count
		}
		c := &commit{path: filepath.Join(dir, e.Name())}
		text, err := durable.ReadFile(fsys, c.path, maxCommit)
		if err == nil {
			err = json.Unmarshal(text, c)
		}
		if err != nil {
			return nil, fmt.Errorf("read the commit %s: %w", c.path, err)
		}
		found = append(found, c)
	}
	return found, nil
}
