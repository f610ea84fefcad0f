package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
)

func TestSpansAreAsLargeAsPromised(t *testing.T) {
	body, err := (&ptrace.ProtoMarshaler{}).MarshalTraces(makeTraces(rand.New(rand.NewPCG(3, 4)), 512))
	if err != nil {
		t.Fatal(err)
	}
	if per := len(body) / 512; per < 400 || per > 420 {
		t.Errorf("%d bytes a span, not about 410", per)
	}
}

func TestCountAtCountsWhatPdataCounts(t *testing.T) {
	td := makeTraces(rand.New(rand.NewPCG(5, 6)), 77)
	makeTraces(rand.New(rand.NewPCG(7, 8)), 5).ResourceSpans().MoveAndAppendTo(td.ResourceSpans())
	td.ResourceSpans().AppendEmpty().ScopeSpans().AppendEmpty()
	body, err := (&ptrace.ProtoMarshaler{}).MarshalTraces(td)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := countAt(body, 0); err != nil || n != int64(td.SpanCount()) {
		t.Errorf("counted %d spans of %d: %v", n, td.SpanCount(), err)
	}
	if _, err := countAt(body[:len(body)-1], 0); err == nil {
		t.Error("a truncated request was counted")
	}
}

// TestTroubleIsSeen sends to a server that does everything wrong in turn.
func TestTroubleIsSeen(t *testing.T) {
	answers := []func(http.ResponseWriter){
		func(http.ResponseWriter) {},
		func(w http.ResponseWriter) { w.WriteHeader(http.StatusServiceUnavailable) },
		func(w http.ResponseWriter) {
			partial := ptraceotlp.NewExportResponse()
			partial.PartialSuccess().SetRejectedSpans(3)
			b, err := partial.MarshalProto()
			if err != nil {
				t.Error(err)
			}
			_, _ = w.Write(b) // the client sees a failure
		},
		func(w http.ResponseWriter) { _, _ = io.WriteString(w, "hello") },
	}
	next := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answers[next](w)
		next++
	}))
	defer server.Close()

	got := runLoad(t, server.URL, len(answers), "-once", "-clients", "1")
	if got.Requests != 4 || got.Spans != 2 || got.Bad["503 Service Unavailable"] != 1 || got.Bad["3 spans rejected"] != 1 || got.Bad["-1 spans rejected"] != 1 {
		t.Errorf("outcome %+v", got)
	}
}

// TestSlowServerGetsNoFewerRequests holds that latency counts from when a request was due.
func TestSlowServerGetsNoFewerRequests(t *testing.T) {
	const hold = 100 * time.Millisecond
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { <-time.After(hold) }))
	defer server.Close()
	got := runLoad(t, server.URL, 1, "-rate", "100", "-for", "500ms")
	if got.Requests != 50 || len(got.Bad) > 0 {
		t.Errorf("outcome %+v", got)
	}
	if fastest := got.Latencies[0]; fastest < hold {
		t.Errorf("a request that was held for %s took %s", hold, fastest)
	}
}

func runLoad(t *testing.T, url string, bodies int, args ...string) outcome {
	t.Helper()
	w := workloads()[0]
	w.Spans, w.Bodies = 2, bodies
	file, _, err := w.build(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := generateLoad(context.Background(), append([]string{"-url", url, "-requests", filepath.Clean(file)}, args...), &out); err != nil {
		t.Fatal(err)
	}
	var got outcome
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	return got
}

func TestReportTellsWhyFiguresAreInvalid(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(workloadResult)
		valid bool
	}{
		"clean":      {func(workloadResult) {}, true},
		"bad answer": {func(w workloadResult) { w.server(limit).Bad["503 Service Unavailable"]++ }, false},
		"other kept": {func(w workloadResult) { w.server(appliance).Kept = 11 }, false},
		"no work":    {func(w workloadResult) { w.server(collector).Spans = 0 }, false},
	} {
		w := newWorkloadResult(workloads()[0], 512)
		for _, s := range w.Servers {
			s.Spans, s.CPUSeconds, s.Sent, s.Kept = 100, 1, 100, 10
		}
		c.spoil(w)
		r := newReport(options{})
		r.add(w)
		if valid := r.err() == nil; valid != c.valid {
			t.Errorf("%s: valid is %t: %v", name, valid, r.Invalid)
		}
	}
}
