package ledger

import (
	"os"
	"path/filepath"
	"testing"

	"appliance/internal/durable"
	"appliance/internal/spool"
)

// A bit of the spool's state file that the disk has changed does not make spans
// unaccounted that were proven.
func TestDamagedSpoolState(t *testing.T) {
	for _, damaged := range []string{"state", "state.copy"} {
		dir := t.TempDir()
		opts := spool.Options{CheckpointEvery: -1, NoSpare: true}
		s, err := spool.Open(filepath.Join(dir, "spool"), opts)
		must(t, err)
		l, err := Open(durable.OS, filepath.Join(dir, "ledger.json"), s.Status())
		must(t, err)
		for range 10 {
			at, err := s.Append(spool.Record{Tenant: "a", Spans: 100, Payload: []byte("x")})
			must(t, err)
			must(t, s.Release(at))
		}
		must(t, s.Close())
		must(t, l.Save(Counts{Kept: 1000}))
		name := filepath.Join(dir, "spool", damaged)
		text, err := os.ReadFile(name)
		must(t, err)
		text[len(text)/2] ^= 1
		must(t, os.WriteFile(name, text, 0o600))

		s, err = spool.Open(filepath.Join(dir, "spool"), opts)
		must(t, err)
		l, err = Open(durable.OS, filepath.Join(dir, "ledger.json"), s.Status())
		must(t, err)
		if b := l.Balance(Counts{}, s.Status()); b.Unaccounted != 0 || b.Proven != 1000 {
			t.Errorf("%s: %+v", damaged, b)
		}
		must(t, s.Close())
	}
}
