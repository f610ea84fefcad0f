package durable_test

import (
	"os"
	"path/filepath"
	"testing"

	"appliance/internal/durable"
)

// What is forgotten is read again, and is the same.
func TestForget(t *testing.T) {
	name := filepath.Join(t.TempDir(), "a")
	must(t, durable.WriteFile(durable.OS, name, []byte("content"), 0o644))
	f, err := durable.OS.OpenFile(name, os.O_RDONLY, 0)
	must(t, err)
	defer f.Close()
	must(t, f.(durable.Forgetter).Forget(2, 3))
	b := make([]byte, 3)
	if _, err := f.ReadAt(b, 2); err != nil || string(b) != "nte" {
		t.Errorf("got %q, %v", b, err)
	}
	must(t, f.Close())
	if f.(durable.Forgetter).Forget(0, 1) == nil {
		t.Error("a closed file was told to forget")
	}
}
