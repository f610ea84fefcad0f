package main

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"testing"

	"appliance/e2e/internal/conformance"
	"appliance/internal/readapi"
	"appliance/internal/tempo"
)

// TestElsewhere asks our read API in front of the stock Tempo what Tempo itself was
// asked when the corpus was recorded.
func TestElsewhere(t *testing.T) {
	stock := startFilledTempo(t)
	front := startFront(t, stock)
	_, lines, err := conformance.Read(filepath.Join(testdata, "open.jsonl.gz"))
	if err != nil {
		t.Fatal(err)
	}
	o := conformance.Options{Parallel: 2}
	chosen := o.Choose(lines)
	if os.Getenv("CONFORMANCE") != "all" {
		var some []*conformance.Line
		for i := 0; i < len(chosen); i += sample {
			some = append(some, chosen[i])
		}
		chosen = some
	}
	client, err := conformance.NewClient(front)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	t.Logf("%d requests are asked", len(chosen))
	results, err := conformance.Replay(t.Context(), client, chosen, o)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range results {
		if r.Difference != "" {
			t.Errorf("%s %s\n%s\n%s", r.Line.ID, r.Line.Category, &r.Line.Request, r.Difference)
		}
	}
}

// startFront starts our read API over a Tempo, and returns its URL.
func startFront(t *testing.T, stock *stock) string {
	t.Helper()
	base := &url.URL{Scheme: "http", Host: stock.http}
	engine := tempo.NewEngine(tempo.EngineOptions{URL: func() (*url.URL, error) { return base, nil }})
	t.Cleanup(func() { _ = engine.Close() })
	api := readapi.New(readapi.Options{Engine: engine, Logger: slog.New(slog.DiscardHandler)})
	t.Cleanup(api.Close)
	server := httptest.NewUnstartedServer(api)
	server.Config.Protocols = new(http.Protocols)
	server.Config.Protocols.SetHTTP1(true)
	server.Config.Protocols.SetUnencryptedHTTP2(true)
	server.Start()
	t.Cleanup(server.Close)
	return server.URL
}
