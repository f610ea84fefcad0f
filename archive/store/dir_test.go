package store_test

import (
	"testing"

	"appliance/archive/store"
	"appliance/archive/store/storetest"
)

func openDir(t *testing.T, dir string) store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), "file://"+dir, store.Options{Create: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestDirectoryConforms(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Store { return openDir(t, t.TempDir()+"/made/by it") }, 0)
}
