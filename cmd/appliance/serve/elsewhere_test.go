package serve

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"

	"appliance/forwarder"
	"appliance/internal/config"
	"appliance/internal/durable"
	"appliance/internal/ledger"
	"appliance/internal/spool"
)

// Five processes of Tempo that answer by turns, as behind a balancer, are not one
// that starts again and again: what they took settles.
func TestTemposBehindABalancer(t *testing.T) {
	var asked atomic.Int64
	tempo := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/metrics" {
			fmt.Fprintf(w, "# TYPE process_start_time_seconds gauge\nprocess_start_time_seconds %d\n", 100+asked.Add(1)%5)
			return
		}
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/x-protobuf")
	}))
	defer tempo.Close()
	e := sendingTo(t, tempo.URL)
	for s := (forwarder.Stats{}); s.ProvenSpans == 0; s = e.forwarder.Stats() {
		if s.ResentSpans > 10 {
			t.Fatalf("one span was sent again %d times, and is still in the spool", s.ResentSpans)
		}
		select {
		case <-time.After(10 * time.Millisecond):
		case <-t.Context().Done():
			t.Fatal("the span does not settle")
		}
	}
	if spans := e.a.spool.Status().Pending.Spans; spans != 0 {
		t.Errorf("%d spans are pending", spans)
	}
}

// sendingTo is an appliance that brings one span to a Tempo at base, until the
// test ends.
func sendingTo(t *testing.T, base string) *elsewhere {
	t.Helper()
	conf := config.Default()
	conf.DataDir = t.TempDir()
	conf.Forwarder.TempoURL, conf.Tempo.QueryURL = base, base
	conf.Forwarder.Settle = 200 * time.Millisecond
	a := &appliance{conf: config.Loaded{Config: conf}, logger: slog.New(slog.DiscardHandler)}
	var err error
	if a.spool, err = spool.Open(filepath.Join(conf.DataDir, "spool"), spool.Options{NoSpare: true}); err != nil {
		t.Fatal(err)
	}
	if a.ledger, err = ledger.Open(durable.OS, filepath.Join(conf.DataDir, "ledger.json"), a.spool.Status()); err != nil {
		t.Fatal(err)
	}
	traces := ptrace.NewTraces()
	span := traces.ResourceSpans().AppendEmpty().ScopeSpans().AppendEmpty().Spans().AppendEmpty()
	span.SetTraceID([16]byte{1})
	span.SetSpanID([8]byte{1})
	payload, err := ptraceotlp.NewExportRequestFromTraces(traces).MarshalProto()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.spool.Append(spool.Record{Tenant: "a", Spans: 1, Time: time.Now(), Payload: payload}); err != nil {
		t.Fatal(err)
	}
	opened, err := a.openElsewhere()
	if err != nil {
		t.Fatal(err)
	}
	e := opened.(*elsewhere)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- e.run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if err := e.close(); err != nil {
			t.Error(err)
		}
		if err := a.spool.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}
