package archive

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"appliance/e2e/internal/harness"
)

// commands run `appliance archive` on a data directory.
type commands struct {
	dataDir string
	env     map[string]string
}

// run returns what a command prints. It must exit with 0.
func (c commands) run(t *testing.T, args ...string) []byte {
	t.Helper()
	cmd := exec.Command(harness.Bin(t), append([]string{"archive"}, args...)...)
	cmd.Env = append(os.Environ(), "APPLIANCE_DATA_DIR="+c.dataDir)
	for _, k := range slices.Sorted(maps.Keys(c.env)) {
		cmd.Env = append(cmd.Env, k+"="+c.env[k])
	}
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); err != nil {
		t.Errorf("appliance archive %s: %v: %s%s", strings.Join(args, " "), err, &out, &said)
	}
	return out.Bytes()
}

// blocks are the ids of the archived blocks.
func (c commands) blocks(t *testing.T) (ids []string) {
	t.Helper()
	var blocks []struct{ Block, State string }
	if err := json.Unmarshal(c.run(t, "list", "-o", "json"), &blocks); err != nil {
		t.Fatal(err)
	}
	for _, b := range blocks {
		switch b.State {
		case "archived":
			ids = append(ids, b.Block)
		case "missing", "damaged", "incomplete":
			t.Errorf("block %s is %s", b.Block, b.State)
		}
	}
	return ids
}

// mustBeWhole reads every byte of the archive.
func (c commands) mustBeWhole(t *testing.T) {
	t.Helper()
	c.run(t, "verify", "--read-data")
	if len(c.blocks(t)) == 0 {
		t.Error("no block is archived")
	}
}

// mustFind looks for a trace of each wave by its id, and for all by TraceQL.
func (c commands) mustFind(t *testing.T, w *waves) {
	t.Helper()
	for _, o := range w.all {
		sent := o.Sent()
		s := sent[len(sent)/2]
		if got := bytes.Count(c.run(t, "find", s.ID, "-o", "json"), []byte(`"startTimeUnixNano":`)); got < s.Acked || got > s.Tried {
			t.Errorf("trace %s has %d spans, of %d sent %d were answered 200", s.ID, got, s.Tried, s.Acked)
		}
	}
	found := string(c.run(t, "search", "{ }", "--limit", "10000", "-o", "jsonl"))
	for _, s := range w.sent() {
		if !strings.Contains(found, strings.TrimLeft(s.ID, "0")) {
			t.Errorf("search does not find trace %s", s.ID)
		}
	}
}

// restore restores every block to a new directory.
func (c commands) restore(t *testing.T) (dir string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "restored")
	c.run(t, append([]string{"restore", "--yes", "--to", dir}, c.blocks(t)...)...)
	return dir
}

// mergedSpans is how many spans the archived blocks have that Tempo made of others.
func (c commands) mergedSpans(t *testing.T) (n int64) {
	t.Helper()
	var blocks []struct {
		Level int   `json:"compaction_level"`
		Spans int64 `json:"spans"`
	}
	if err := json.Unmarshal(c.run(t, "list", "--source", "none", "-o", "json"), &blocks); err != nil {
		t.Fatal(err)
	}
	for _, b := range blocks {
		if b.Level > 0 {
			n += b.Spans
		}
	}
	return n
}
