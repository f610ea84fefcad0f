package harness

import (
	"bytes"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync"
	"testing"
)

// Recorder stands between a client and an appliance, changes nothing, and
// counts what the appliance acknowledged.
type Recorder struct {
	URL string // the path /v1/traces included

	mu       sync.Mutex
	acked    map[string]int
	statuses map[int]int
}

// NewRecorder starts a recorder before the intake of a.
func NewRecorder(t testing.TB, a *Appliance) *Recorder {
	t.Helper()
	target, err := url.Parse("http://" + a.Intake)
	if err != nil {
		t.Fatal(err)
	}
	r := &Recorder{acked: map[string]int{}, statuses: map[int]int{}}
	proxy := httputil.NewSingleHostReverseProxy(target)
	proxy.ModifyResponse = func(resp *http.Response) error {
		return r.note(resp.StatusCode, resp.Request.Context().Value(sentKey{}).(*sent))
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		req.Body, req.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		proxy.ServeHTTP(w, req.WithContext(withSent(req, body)))
	}))
	t.Cleanup(server.Close)
	r.URL = server.URL + "/v1/traces"
	return r
}

// Acked is the number of spans acknowledged of each trace.
func (r *Recorder) Acked() map[string]int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.acked)
}

// Statuses counts the answers by their status.
func (r *Recorder) Statuses() map[int]int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.statuses)
}

func (r *Recorder) note(status int, s *sent) error {
	var spans []spanID
	if status == http.StatusOK {
		var err error
		if spans, err = s.spans(); err != nil {
			return err
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.statuses[status]++
	for _, s := range spans {
		r.acked[s.trace]++
	}
	return nil
}
