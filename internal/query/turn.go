package query

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// maxMerging is how many answers are put together at once, all clients together. Each may take what maxMerged allows of
// Tempo's, its decoding, as much of the archive's, and the encoded result. Others wait.
const maxMerging = 4

// turn is the leave of one request to hold an answer in memory. It is over when the answer is written.
type turn struct {
	turns chan struct{} // of the handler

	mu   sync.Mutex
	held bool
}

type turnKey struct{}

// withTurn gives a request its turn, which end ends.
func (h *Handler) withTurn(r *http.Request) (with *http.Request, end func()) {
	t := &turn{turns: h.turns}
	return r.WithContext(context.WithValue(r.Context(), turnKey{}, t)), t.end
}

// takeTurn waits until fewer than maxMerging others have theirs, or until ctx, which is of a request, has ended. It is
// called once for a request.
func takeTurn(ctx context.Context) error {
	t := ctx.Value(turnKey{}).(*turn)
	began := time.Now()
	select {
	case t.turns <- struct{}{}:
		t.mu.Lock()
		defer t.mu.Unlock()
		t.held = true
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%d other answers have been put together for the last %s", maxMerging, time.Since(began).Round(time.Second))
	}
}

// end makes room for another.
func (t *turn) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.held {
		t.held = false
		<-t.turns
	}
}

// endTurn is for an answer that is not held any more although it is still being written.
func endTurn(ctx context.Context) { ctx.Value(turnKey{}).(*turn).end() }
