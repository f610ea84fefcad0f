package main

import (
	"bufio"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"appliance/e2e/internal/conformance"
	"appliance/internal/readapi"
	"appliance/internal/tempo"
)

// TestElsewhere asks our read API in front of the stock Tempo what Tempo itself was
// asked when the corpus was recorded. What is answered otherwise is listed, exactly.
//
// The same Tempo in place of the archive too changes nothing: each span is in the
// answer once.
func TestElsewhere(t *testing.T) {
	stock := startFilledTempo(t)
	base, err := url.Parse("http://" + stock.http)
	if err != nil {
		t.Fatal(err)
	}
	engine := tempo.NewEngine(func() (*url.URL, error) { return base, nil })
	defer engine.Close()
	lines := chosenLines(t)
	t.Run("alone", func(t *testing.T) {
		compare(t, startFront(t, engine), base.String(), lines)
	})
	t.Run("twice", func(t *testing.T) {
		lines := slices.DeleteFunc(slices.Clone(lines), isInstant)
		compare(t, startFront(t, tempo.Both(engine, engine)), base.String(), lines)
	})
}

// isInstant says whether a line asks for one value of a whole range. Where two have
// spans of it, the answer is marked.
func isInstant(l *conformance.Line) bool {
	return l.Path == "/api/metrics/query" || strings.HasSuffix(l.Path, "/MetricsQueryInstant")
}

// chosenLines are the lines of the corpus that are asked.
func chosenLines(t *testing.T) []*conformance.Line {
	t.Helper()
	_, lines, err := conformance.Read(filepath.Join(testdata, "open.jsonl.gz"))
	if err != nil {
		t.Fatal(err)
	}
	chosen := options.Choose(lines)
	if os.Getenv("CONFORMANCE") == "all" {
		return chosen
	}
	var some []*conformance.Line
	for i := 0; i < len(chosen); i += sample {
		some = append(some, chosen[i])
	}
	return some
}

// options are how answers are compared: the words of errors are our own.
var options = conformance.Options{OneBlock: true, Parallel: 2}

// compare asks a front, and the Tempo behind it for what it answers otherwise.
func compare(t *testing.T, front, behind string, lines []*conformance.Line) {
	t.Helper()
	t.Logf("%d requests are asked", len(lines))
	differ := differences(t, front, lines)
	known := knownDifferences(t, "testdata/elsewhere.txt")
	for _, line := range lines {
		switch why, listed := known[line.ID]; {
		case listed && differ[line] == "":
			t.Errorf("%s is answered as recorded, and listed as %q", line.ID, why)
		case !listed && differ[line] != "":
			own := differences(t, behind, []*conformance.Line{line})[line]
			if own != "" { // such as one without a time range: it depends on the hour
				t.Logf("Tempo itself answers otherwise: %s %s\n%s", line.ID, &line.Request, own)
				continue
			}
			t.Errorf("%s %s\n%s\n%s", line.ID, line.Category, &line.Request, differ[line])
		}
	}
}

// differences asks a server and returns how its answers differ from the recorded
// ones, of lines that differ each time.
func differences(
	t *testing.T, base string, lines []*conformance.Line,
) map[*conformance.Line]string {
	t.Helper()
	client, err := conformance.NewClient(base)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	var differ map[*conformance.Line]string
	for range 3 { // a busy Tempo runs out of time
		results, err := conformance.Replay(t.Context(), client, lines, options)
		if err != nil {
			t.Fatal(err)
		}
		lines, differ = nil, map[*conformance.Line]string{}
		for _, r := range results {
			if r.Difference != "" {
				lines = append(lines, r.Line)
				differ[r.Line] = r.Difference
			}
		}
	}
	return differ
}

// knownDifferences are why a line is answered otherwise, by its id.
func knownDifferences(t *testing.T, file string) map[string]string {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	known := map[string]string{}
	text := bufio.NewScanner(f)
	for text.Scan() {
		if id, why, ok := strings.Cut(text.Text(), " "); ok && id != "#" {
			known[id] = why
		}
	}
	if err := text.Err(); err != nil {
		t.Fatal(err)
	}
	return known
}

// startFront starts our read API over an engine, and returns its URL.
func startFront(t *testing.T, engine readapi.Engine) string {
	t.Helper()
	api := readapi.New(readapi.Options{Engine: engine, Logger: slog.New(slog.DiscardHandler)})
	t.Cleanup(api.Close)
	server := httptest.NewUnstartedServer(api)
	server.Config.Protocols = new(http.Protocols)
	server.Config.Protocols.SetHTTP1(true)
	server.Config.Protocols.SetUnencryptedHTTP2(true) // gRPC
	server.Start()
	t.Cleanup(server.Close)
	return server.URL
}
