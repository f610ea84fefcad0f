package store_test

import (
	"errors"
	"strings"
	"testing"

	"appliance/archive/store"
	"appliance/internal/durable"
	"appliance/internal/durable/crashfs"
)

// unsyncedFS cannot sync directories while ill.
type unsyncedFS struct {
	durable.FS
	ill bool
}

func (f *unsyncedFS) SyncDir(name string) error {
	if f.ill {
		return errors.New("input/output error")
	}
	return f.FS.SyncDir(name)
}

// A Replace whose sync does not succeed leaves the old bytes or the new ones; a Put leaves nothing.
func TestADirectoryThatCannotBeSynced(t *testing.T) {
	f := &unsyncedFS{FS: crashfs.New()}
	s := store.OnFS(f, store.Options{})
	if err := s.Replace(t.Context(), "catalog", []byte("old")); err != nil {
		t.Fatal(err)
	}
	f.ill = true
	if err := s.Replace(t.Context(), "catalog", []byte("new")); err == nil {
		t.Error("replaced without a sync")
	}
	if _, err := s.Put(t.Context(), "object", strings.NewReader("x"), 1); err == nil {
		t.Error("put without a sync")
	}
	f.ill = false
	if got := state(t, s, "catalog"); got != "old" && got != "new" {
		t.Errorf("the object is %q", got)
	}
	if got := state(t, s, "object"); got != "(missing)" {
		t.Errorf("what was not put is %q", got)
	}
	if n, err := s.Sweep(t.Context(), 0); n != 0 || err != nil {
		t.Errorf("%d staging files are left, %v", n, err)
	}
}
