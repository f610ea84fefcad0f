package e2e

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"

	"appliance/e2e/internal/harness"
)

// TestGoSDK sends with the newest OpenTelemetry SDK for Go, plain and compressed.
func TestGoSDK(t *testing.T) {
	const traces, spansPerTrace = 50, 4
	a := harness.Start(t, harness.Options{})
	for name, compression := range map[string]otlptracehttp.Compression{
		"plain": otlptracehttp.NoCompression,
		"gzip":  otlptracehttp.GzipCompression,
	} {
		t.Run(name, func(t *testing.T) {
			service := "go-" + name
			sent := sendWithGoSDK(t, a.IntakeURL(), service, compression, traces, spansPerTrace)
			a.MustFind(t, sent)
			a.MustSearch(t, fmt.Sprintf(`{ resource.service.name = %q && name = "child" }`, service), slices.Collect(maps.Keys(sent)))
		})
	}
}

func sendWithGoSDK(t *testing.T, url, service string, c otlptracehttp.Compression, traces, spansPerTrace int) map[string]int {
	t.Helper()
	exporter, err := otlptracehttp.New(t.Context(), otlptracehttp.WithEndpointURL(url), otlptracehttp.WithCompression(c))
	if err != nil {
		t.Fatal(err)
	}
	return sendThrough(t, exporter, service, traces, spansPerTrace)
}

// TestNodeSDK sends with the OpenTelemetry SDK for Node.js through both its OTLP/HTTP exporters.
func TestNodeSDK(t *testing.T) {
	const traces, spansPerTrace = 50, 4
	dir := harness.NodeDir(t)
	a := harness.Start(t, harness.Options{})
	for _, protocol := range []string{"proto", "json"} {
		t.Run(protocol, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			cmd := exec.CommandContext(ctx, "node", "send.mjs", a.IntakeURL(), protocol, strconv.Itoa(traces), strconv.Itoa(spansPerTrace))
			cmd.Dir, cmd.Stderr = dir, os.Stderr
			out, err := cmd.Output()
			if err != nil {
				t.Fatalf("send with node: %v", err)
			}
			ids := strings.Fields(string(out))
			if len(ids) != traces {
				t.Fatalf("node sent %d traces, %d were asked for", len(ids), traces)
			}
			a.MustFind(t, withSpans(ids, spansPerTrace))
			// The attributes prove that both encodings carry types and text
			// through: a boolean, and a letter beyond ASCII.
			a.MustSearch(t, fmt.Sprintf(`{ resource.service.name = "node-%s" && event:name = "été" }`, protocol), ids)
			a.MustSearch(t, fmt.Sprintf(`{ resource.service.name = "node-%s" && span.run.even = true }`, protocol), everySecond(ids))
		})
	}
}

// TestTelemetrygen sends with the load generator of the OpenTelemetry project.
func TestTelemetrygen(t *testing.T) {
	const traces, children = 200, 3
	a := harness.Start(t, harness.Options{})
	recorder := harness.NewRecorder(t, a)
	host, path, _ := strings.Cut(strings.TrimPrefix(recorder.URL, "http://"), "/")

	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, harness.Peer(t, "telemetrygen"), "traces",
		"--otlp-http", "--otlp-insecure", "--otlp-endpoint", host, "--otlp-http-url-path", "/"+path,
		"--traces", strconv.Itoa(traces), "--child-spans", strconv.Itoa(children), "--rate", "0", "--service", "generated",
	).CombinedOutput()
	if err != nil {
		t.Fatalf("send with telemetrygen: %v\n%s", err, out)
	}

	acked := recorder.Acked()
	if len(acked) != traces {
		t.Fatalf("telemetrygen got %d traces acknowledged of %d, answers were %v", len(acked), traces, recorder.Statuses())
	}
	for id, n := range acked {
		if n != 1+children {
			t.Fatalf("telemetrygen got %d spans of trace %s acknowledged, not %d", n, id, 1+children)
		}
	}
	a.MustFind(t, acked)
	a.MustSearch(t, `{ resource.service.name = "generated" }`, slices.Collect(maps.Keys(acked)))
}

func withSpans(ids []string, n int) map[string]int {
	m := make(map[string]int, len(ids))
	for _, id := range ids {
		m[id] = n
	}
	return m
}

func everySecond(ids []string) []string {
	var half []string
	for i := 0; i < len(ids); i += 2 {
		half = append(half, ids[i])
	}
	return half
}

func writeFile(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
