package tempo

import (
	"io"
	"os"
	"path/filepath"
	"testing"
)

// The names are those that a real Tempo gave; e2e/torture holds that they still are.
func TestUnwrittenBlocks(t *testing.T) {
	dir := t.TempDir()
	s := newTestSupervisor(dir, io.Discard)
	if n := s.UnwrittenBlocks(); n != 0 {
		t.Errorf("%d before the child was started", n)
	}
	for _, step := range []struct {
		name string
		want int
	}{
		{"blocks", 0}, // those that are written
		{"0d07acca-1174-4304-aec2-41cadb0f6447+one+vParquet4", 0},
		{"3de0963e-fa65-4dd7-873b-efa683c13662+one+vParquet4", 1},
		{"7815042d-f3ab-4bc0-b71e-bb3f38a2f4fc+two+vParquet4", 1},
		{"a71d12e3-245c-46d6-bc38-f83614eabaf1+one+vParquet4", 2},
	} {
		if err := os.MkdirAll(filepath.Join(dir, "wal", step.name), 0o755); err != nil {
			t.Fatal(err)
		}
		if n := s.UnwrittenBlocks(); n != step.want {
			t.Errorf("%d with %s, want %d", n, step.name, step.want)
		}
	}
}
