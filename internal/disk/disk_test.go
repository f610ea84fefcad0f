package disk

import (
	"os"
	"path/filepath"
	"testing"
)

func TestOf(t *testing.T) {
	dir := t.TempDir()
	was, err := Of(dir)
	if err != nil {
		t.Fatal(err)
	}
	if was.Free <= 0 || was.Free > was.Bytes || was.Device == 0 {
		t.Errorf("%+v", was)
	}
	// What is not there yet will be where its parents are.
	later, err := Of(filepath.Join(dir, "a", "b"))
	if err != nil || later.Device != was.Device || later.Bytes != was.Bytes {
		t.Errorf("%+v, %v, want %+v", later, err, was)
	}
	if other, err := Of("/proc"); err == nil && other.Device == was.Device {
		t.Errorf("/proc is on the disk of %s", dir)
	}
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Of(filepath.Join(file, "below")); err == nil {
		t.Error("below a file there is a disk")
	}
}
