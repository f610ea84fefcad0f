package harness

import (
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
)

// Backend stands where Tempo stands for an appliance that is a pure collector:
// it takes everything, and remembers what it got. As in Tempo, a span that is
// sent again is still one.
type Backend struct {
	URL string

	mu    sync.Mutex
	spans map[spanID]bool
	held  chan struct{} // requests wait for it to be closed
}

// NewBackend starts a backend that lives as long as the test.
func NewBackend(t testing.TB) *Backend {
	t.Helper()
	b := &Backend{spans: map[spanID]bool{}}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		spans, err := (&sent{encoding: r.Header.Get("Content-Encoding"), body: body}).spans()
		if err != nil {
			t.Errorf("the backend got what it cannot read: %v", err)
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		b.mu.Lock()
		held := b.held
		for _, s := range spans {
			b.spans[s] = true
		}
		b.mu.Unlock()
		if held != nil {
			select {
			case <-held:
			case <-r.Context().Done():
			}
		}
		w.Header().Set("Content-Type", Protobuf)
		w.WriteHeader(http.StatusOK)
	}))
	t.Cleanup(server.Close)
	b.URL = server.URL
	return b
}

// Env makes an appliance send to the backend. At its end it does not wait for
// the proof of what the backend has acknowledged.
func (b *Backend) Env() map[string]string {
	return map[string]string{"APPLIANCE_FORWARDER_TEMPO_URL": b.URL, "APPLIANCE_FORWARDER_DRAIN_DEADLINE": "1s"}
}

// Traces is the number of different spans got of each trace.
func (b *Backend) Traces() map[string]int {
	b.mu.Lock()
	defer b.mu.Unlock()
	traces := map[string]int{}
	for s := range b.spans {
		traces[s.trace]++
	}
	return traces
}

// Spans is the number of different spans got in all.
func (b *Backend) Spans() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.spans)
}

// Hold lets no request be answered until release is called.
func (b *Backend) Hold() (release func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	held := make(chan struct{})
	b.held = held
	return sync.OnceFunc(func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.held = nil
		close(held)
	})
}
