package readapi

import (
	"context"
	"sync"
)

// kept is what an answer holds until it is written.
type kept struct {
	mu      sync.Mutex
	release []func()
}

type keptKey struct{}

// keeping returns a context for an engine, and what is called when its answer is
// written.
func keeping(ctx context.Context) (_ context.Context, written func()) {
	k := &kept{}
	return context.WithValue(ctx, keptKey{}, k), func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		for _, release := range k.release {
			release()
		}
		k.release = nil
	}
}

// WhenWritten calls release once the answer to the request of a context is
// written, or at once where nobody writes it. An engine gives back the memory of
// its answer so.
func WhenWritten(ctx context.Context, release func()) {
	k, ok := ctx.Value(keptKey{}).(*kept)
	if !ok {
		release()
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.release = append(k.release, release)
}
