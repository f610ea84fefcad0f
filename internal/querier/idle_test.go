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
		if bytes, parts, blocks := q.keeps(); bytes == 0 || parts == 0 || blocks == 0 {
			t.Fatal("nothing is kept for the next query")
		}
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if bytes, parts, blocks := q.keeps(); bytes != 0 || parts != 0 || blocks != 0 {
			t.Errorf("%d bytes of %d live parts and %d blocks are still kept", bytes, parts, blocks)
		}
		w.expectFound()
	})
}

// keeps is what is kept for the next query: bytes, live parts and open blocks.
func (q *Querier) keeps() (bytes int64, parts, blocks int) {
	q.live.mu.Lock()
	defer q.live.mu.Unlock()
	q.opened.mu.Lock()
	defer q.opened.mu.Unlock()
	return q.live.kept.Load() + q.opened.bytes, len(q.live.parts), q.opened.order.Len()
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

// TestShapesAreBounded has the shapes of blocks kept for the next query, up to a bound.
func TestShapesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := settled(t, 11)
		defer w.stop()
		o := w.querier.opened
		kept := func() (n int64) {
			o.mu.Lock()
			defer o.mu.Unlock()
			for _, b := range o.byName {
				if open := b.block.Load(); open != nil {
					n += open.ShapeBytes()
				}
			}
			if n != o.shapes {
				t.Errorf("%d bytes of shapes are kept, and counted are %d", n, o.shapes)
			}
			return n
		}
		w.expectFound()
		if kept() == 0 {
			t.Error("no shape is kept")
		}
		o.mu.Lock()
		o.maxShapes = 1
		o.mu.Unlock()
		w.expectFound()
		if n := kept(); n > 1 {
			t.Errorf("%d bytes of shapes are kept beyond the bound", n)
		}
	})
}

// TestBloomsAreGivenBack has the blooms of blocks in memory while they are asked for
// traces by id.
func TestBloomsAreGivenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := settled(t, 9)
		defer w.stop()
		memory := w.querier.opened.blooms
		all := memory.Left()
		for range 3 {
			if _, err := w.querier.Trace(t.Context(), readapi.TraceRequest{Tenant: "t", ID: traceID{1}}); err != nil {
				t.Fatal(err)
			}
		}
		if memory.Left() == all {
			t.Error("no bloom is in memory")
		}
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if n := memory.Left(); n != all {
			t.Errorf("%d bytes of blooms are not given back", all-n)
		}
	})
}
