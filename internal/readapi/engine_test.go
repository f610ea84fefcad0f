package readapi

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"appliance/internal/traceql"
)

// fakeEngine answers with what a test says, and remembers what it was asked.
// What is tested here are requests and answers; a real engine has its own tests.
type fakeEngine struct {
	asked   any
	trace   *TraceAnswer
	search  *SearchAnswer
	streams [][]*traceql.FoundTrace
	tags    *TagsAnswer
	values  *TagValuesAnswer
	metrics *MetricsAnswer
	err     error
}

func (f *fakeEngine) Trace(_ context.Context, r TraceRequest) (*TraceAnswer, error) {
	f.asked = r
	return or(f.trace), f.err
}

func (f *fakeEngine) Search(_ context.Context, r SearchRequest, found Found) (*SearchAnswer, error) {
	f.asked = r
	for _, traces := range f.streams {
		if found == nil {
			break
		}
		if err := found(traces); err != nil {
			return nil, err
		}
	}
	return or(f.search), f.err
}

func (f *fakeEngine) Tags(_ context.Context, r TagsRequest) (*TagsAnswer, error) {
	f.asked = r
	return or(f.tags), f.err
}

func (f *fakeEngine) TagValues(_ context.Context, r TagValuesRequest) (*TagValuesAnswer, error) {
	f.asked = r
	return or(f.values), f.err
}

func (f *fakeEngine) Metrics(_ context.Context, r MetricsRequest) (*MetricsAnswer, error) {
	f.asked = r
	return or(f.metrics), f.err
}

func or[T any](answer *T) *T {
	if answer == nil {
		return new(T)
	}
	return answer
}

// serve starts the API as Tempo is configured by default.
func serve(t *testing.T, engine Engine) (baseURL string) {
	t.Helper()
	h := New(Options{
		Engine: engine, MaxSearchRange: 168 * time.Hour, MaxMetricsRange: 3 * time.Hour,
		Build:  BuildInfo{Version: "1.2.3"},
		Logger: slog.New(slog.DiscardHandler),
	})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	server := &httptest.Server{
		Listener: listener, Config: &http.Server{Handler: h, Protocols: &protocols},
	}
	server.Start()
	t.Cleanup(func() {
		h.Close()
		server.Close()
	})
	return server.URL
}
