package archive

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"appliance/archive/store"
)

// While the archive's store does not answer, what the block store has waits,
// and says so: also what came meanwhile. Once it answers, nothing of that is
// left behind.
func TestBlocksWaitForAStoreThatIsAway(t *testing.T) {
	t.Parallel()
	embedded(t, func(t *testing.T, p *appliance) {
		var away atomic.Bool
		away.Store(true)
		p.start(func(o *Options) {
			o.Store = &faultyStore{p.store, func(string, string) error {
				if away.Load() {
					return errors.Join(errors.New("connection refused"), store.ErrDenied)
				}
				return nil
			}}
		})
		s := p.after(time.Hour)
		if s.PendingBlocks != 3 || s.PendingBytes == 0 || s.LagSeconds < 3000 || s.ArchivedBlocks != 0 || s.UnfinishedBlocks != 0 || s.Failures[CauseDenied] == 0 {
			t.Errorf("while the store is away: %+v", s)
		}
		away.Store(false)
		if s = p.after(time.Hour); s.PendingBlocks != 0 || s.ArchivedBlocks != 3 || len(s.Gaps) != 0 {
			t.Errorf("when it is back: %+v", s)
		}
		p.whole(levelZero...)
	})
}
