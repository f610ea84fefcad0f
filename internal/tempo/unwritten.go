package tempo

import (
	"os"
	"path/filepath"
	"strings"
)

// UnwrittenBlocks counts the blocks that the child has cut from what it was sent and has not written yet: a block waits for up to ten
// seconds, a constant of Tempo's, and for those before it. Until it is written it holds the buffers of its write-ahead log.
func (s *Supervisor) UnwrittenBlocks() int {
	// A directory a block, named BLOCK+TENANT+VERSION; the newest of a tenant is the one that takes its spans.
	entries, err := os.ReadDir(filepath.Join(s.settings.Dir, "wal"))
	if err != nil {
		return 0 // it has just been started
	}
	n, tenants := 0, map[string]bool{}
	for _, e := range entries {
		if name := strings.Split(e.Name(), "+"); len(name) == 3 {
			n++
			tenants[name[1]] = true
		}
	}
	return n - len(tenants)
}
