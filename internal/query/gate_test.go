package query

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
)

// TestTracesAtOnce holds that Tempo reads one trace after the other where it has to, and other questions pass.
func TestTracesAtOnce(t *testing.T) {
	asked, goOn, over := make(chan string), make(chan bool), make(chan struct{})
	var reading, most atomic.Int64
	tempo := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "traces") {
			most.Store(max(most.Load(), reading.Add(1)))
			defer reading.Add(-1)
			select {
			case asked <- r.URL.Path:
				<-goOn
			case <-over:
			}
		}
		_, _ = io.WriteString(w, "answer")
	}))
	defer tempo.Close()
	base, err := url.Parse(tempo.URL)
	if err != nil {
		t.Fatal(err)
	}
	h := New(Options{Backend: func() (Backend, error) { return Backend{HTTP: base}, nil }, TracesAtOnce: 1, Logger: slog.New(slog.DiscardHandler)})
	defer h.Close()
	api := httptest.NewServer(h)
	defer api.Close()
	defer close(goOn)
	defer close(over)

	codes := make(chan int, 3)
	ask := func(ctx context.Context, path string) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, api.URL+path, nil)
		if err != nil {
			t.Error(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			codes <- 0 // as of one that has gone
			return
		}
		resp.Body.Close()
		codes <- resp.StatusCode
	}
	go ask(t.Context(), "/api/traces/1")
	if path := <-asked; path != "/api/traces/1" {
		t.Fatalf("asked for %s", path)
	}
	gone, leave := context.WithCancel(t.Context())
	go ask(gone, "/api/traces/2")
	go ask(t.Context(), "/api/v2/traces/3")
	for range 20 { // which also gives the others time to come through
		if code, _, _ := get(t, http.MethodGet, api.URL+"/api/search", nil); code != http.StatusOK {
			t.Errorf("a search beside it: %d", code)
		}
	}
	leave()
	if code := <-codes; code != 0 {
		t.Errorf("who has left while waiting got %d", code)
	}
	goOn <- true
	if code := <-codes; code != http.StatusOK {
		t.Errorf("the first got %d", code)
	}
	if path := <-asked; path != "/api/v2/traces/3" {
		t.Errorf("%s came after it", path)
	}
	goOn <- true
	if code := <-codes; code != http.StatusOK {
		t.Errorf("the other got %d", code)
	}
	if n := most.Load(); n != 1 {
		t.Errorf("%d were read at once", n)
	}
}
