package archive

import (
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"appliance/archive/store"
)

// Reading for a restore keeps to the limit of bandwidth; what is there already is not read.
func TestRestoreKeepsToTheLimit(t *testing.T) {
	t.Parallel()
	b := archived(t)
	dir := filepath.Join(t.TempDir(), "restored")
	synctest.Test(t, func(t *testing.T) {
		const perSecond = 10 << 10
		s, err := store.Open(t.Context(), "file://"+b.dst, store.Options{BytesPerSecond: perSecond})
		must(t, err)
		defer s.Close()
		for _, again := range []bool{false, true} {
			p, err := Open(s).PlanRestore(t.Context(), levelZero, dir)
			must(t, err)
			began := time.Now()
			rep, err := p.Run(t.Context(), nil)
			if err != nil || rep.Blocks != 3 {
				t.Fatalf("%+v, %v", rep, err)
			}
			took, least := time.Since(began), time.Duration(p.Bytes)*time.Second/perSecond*9/10
			if !again && took < least || again && took > least/2 {
				t.Errorf("again %t: %d bytes took %s", again, p.Bytes, took)
			}
		}
	})
}
