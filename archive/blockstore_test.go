package archive

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"appliance/internal/blockstore"
	"appliance/internal/spool"
)

// The real block store deletes what is archived and proven, and nothing else;
// what a query reads stays until it is done, and counts no more.
func TestBlockStoreIsPurged(t *testing.T) {
	t.Parallel()
	embedded(t, func(t *testing.T, p *appliance) {
		for _, id := range levelZero { // it would merge what it takes for its own
			must(t, os.Remove(filepath.Join(p.src, tenant, id, lineageName)))
		}
		sp, err := spool.Open(filepath.Join(t.TempDir(), "spool"), spool.Options{NoSpare: true, SegmentBytes: 16 << 10})
		must(t, err)
		s, err := blockstore.Open(t.Context(), blockstore.Options{Dir: p.src, Spool: sp})
		must(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- s.Run(ctx) }()
		defer func() {
			cancel()
			must(t, <-done)
			must(t, sp.Close())
		}()
		p.start(func(o *Options) {
			o.Embedded.Retention = time.Minute // and the clock's trial
			o.Embedded.Delete = func(tenant, block string) bool {
				if !p.holds(tenant, block) {
					t.Errorf("block %s is to be deleted, and the archive has it not", block)
				}
				return s.Delete(tenant, block)
			}
		})
		p.after(time.Second)
		query := s.View(tenant)
		if len(query.Blocks) != 3 {
			t.Fatalf("%d blocks", len(query.Blocks))
		}
		st := p.after(3 * time.Minute)
		if st.ArchivedBlocks != 3 || st.Purge.PurgedBlocks != 3 || st.SourceBlocks+st.Purge.HeldBlocks != 0 || len(s.Tenants()) != 0 || !slices.Equal(p.inSource(), levelZero) {
			t.Errorf("while a query reads them: %+v, %+v, left %v", st, st.Purge, p.inSource())
		}
		query.Close()
		st = p.after(2 * time.Minute)
		if st.Purge.PurgedBlocks != 3 || len(p.inSource()) != 0 || len(st.Gaps)+len(st.Failures) != 0 || len(p.a.known) != 0 {
			t.Errorf("after it: %+v, %+v, left %v", st, st.Purge, p.inSource())
		}
		p.whole(levelZero...)
	})
}
