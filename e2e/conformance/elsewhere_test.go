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
	o := conformance.Options{Parallel: 2, OneBlock: true}
	chosen := o.Choose(lines)
	if os.Getenv("CONFORMANCE") != "all" {
		var some []*conformance.Line
		for i := 0; i < len(chosen); i += sample {
			some = append(some, chosen[i])
		}
		chosen = some
	}
	t.Logf("%d requests are asked", len(chosen))
	differ := differences(t, front, chosen)
	// What Tempo itself answers otherwise now says nothing.
	for line, difference := range differ {
		if own := differences(t, "http://"+stock.http, []*conformance.Line{line}); own[line] != "" {
			t.Logf("Tempo itself answers otherwise: %s %s\n%s\n%s", line.ID, line.Category, &line.Request, own[line])
			continue
		}
		t.Errorf("%s %s\n%s\n%s", line.ID, line.Category, &line.Request, difference)
	}
}

// differences asks a server and returns how its answers differ from the recorded
// ones.
func differences(
	t *testing.T, base string, lines []*conformance.Line,
) map[*conformance.Line]string {
	t.Helper()
	client, err := conformance.NewClient(base)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	o := conformance.Options{Parallel: 2, OneBlock: true}
	results, err := conformance.Replay(t.Context(), client, lines, o)
	if err != nil {
		t.Fatal(err)
	}
	differ := map[*conformance.Line]string{}
	for _, r := range results {
		if r.Difference != "" {
			differ[r.Line] = r.Difference
		}
	}
	return differ
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
