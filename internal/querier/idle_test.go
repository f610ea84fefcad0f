package querier

import (
	"testing"
	"testing/synctest"
	"time"

	"appliance/internal/readapi"
)

// What nobody asks for any more is dropped, and made again when somebody does.
func TestIdleColumnsAndFilesAreDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := settled(t, 9)
		defer w.stop()
		w.expectFound()
		q := w.querier
		if q.live.kept.Load() == 0 || q.opened.order.Len() == 0 || len(q.live.parts) == 0 {
			t.Fatal("nothing is kept for the next query")
		}
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if n := q.live.kept.Load(); n != 0 || len(q.live.parts) != 0 || q.opened.order.Len() != 0 || q.opened.bytes != 0 {
			t.Errorf("%d bytes of %d live parts and %d blocks are still kept", n, len(q.live.parts), q.opened.order.Len())
		}
		w.expectFound()
	})
}

func (w *world) expectFound() {
	w.t.Helper()
	got, err := w.querier.Search(w.t.Context(), readapi.SearchRequest{Tenant: "t", Limit: 10_000, SpansPerSet: 10_000}, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	w.expectAll(got, "{}")
}

// Batches beyond what may be kept are made again.
func TestLiveSpansBeyondWhatIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := settled(t, 10)
		defer w.stop()
		w.querier.live.kept.Store(maxLiveBytes) // as if others took all
		w.expectFound()
		if got := w.querier.live.kept.Load(); got != maxLiveBytes {
			t.Errorf("%d bytes are kept", got-maxLiveBytes)
		}
	})
}
