package blocks

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"appliance/e2e/internal/harness"
	"appliance/internal/block"
)

// TestWitness has a reader of Parquet that is not written in Go read our block:
// it reads what Tempo reads, and checksums, page indexes and bounds are right.
func TestWitness(t *testing.T) {
	for _, in := range []*input{conformance(t, "edge/*.pb.gz"), random(300, 200), load(3, 5000)} {
		t.Run(in.name, func(t *testing.T) {
			s := newStorage(t)
			s.build(t, in, ourID, block.BuilderOptions{PageSpans: 1000, RowGroupBytes: 512 << 10})
			data := filepath.Join(s.dir, tenant, ourID, block.DataName)
			want := canonical(t, s.run(t, "rows", nil, []string{"-raw"}, ourID))
			rows, err := witness(t, data, "rows")
			if err != nil {
				t.Fatal(err)
			}
			mustEqualLines(t, want, canonical(t, rows))
			seen, err := witness(t, data, "pages")
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("checked %s", bytes.TrimSpace(seen))
			mustSeeDamage(t, data)
		})
	}
}

// mustSeeDamage flips a byte in the middle of the data: what sees nothing wrong in
// that sees nothing at all.
func mustSeeDamage(t *testing.T, path string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)/2] ^= 1
	damaged := filepath.Join(t.TempDir(), "damaged.parquet")
	if err := os.WriteFile(damaged, data, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := witness(t, damaged, "pages"); err == nil || !strings.Contains(err.Error(), "checksum") {
		t.Errorf("a flipped byte is not found by its page's checksum: %v", err)
	}
}

// witness runs block.mjs.
func witness(t *testing.T, data, what string) ([]byte, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "node", "block.mjs", data, what)
	cmd.Dir = harness.NodeDir(t)
	var out, failure bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &failure
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("read %s in Node.js: %w\n%s", data, err, tail(failure.String()))
	}
	return out.Bytes(), nil
}

// canonical are lines of JSON with sorted keys and one way to escape.
func canonical(t *testing.T, text []byte) (lines []string) {
	t.Helper()
	for line := range strings.Lines(string(text)) {
		var v any
		if err := json.Unmarshal([]byte(line), &v); err != nil {
			t.Fatalf("read the line %.200q: %v", line, err)
		}
		again, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, string(again))
	}
	return lines
}
