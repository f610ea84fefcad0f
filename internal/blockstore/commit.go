package blockstore

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

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
}

const (
	commitSuffix = ".json"
	maxCommit    = 16 << 20
)

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
