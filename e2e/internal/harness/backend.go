package harness

import (
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
)

// Backend stands where Tempo stands for an appliance that is a pure collector: it takes everything, and remembers what it got.
type Backend struct {
	URL string

	mu     sync.Mutex
	traces map[string]int
	held   chan struct{} // requests wait for it to be closed
}

// NewBackend starts a backend that lives as long as the test.
func NewBackend(t testing.TB) *Backend {
	t.Helper()
	b := &Backend{traces: map[string]int{}}
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
		for id, n := range spans {
			b.traces[id] += n
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

// Traces is the number of spans got of each trace.
func (b *Backend) Traces() map[string]int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return maps.Clone(b.traces)
}

// Spans is the number of spans got in all.
func (b *Backend) Spans() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := 0
	for _, spans := range b.traces {
		n += spans
	}
	return n
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
