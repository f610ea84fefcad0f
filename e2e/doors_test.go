package e2e

import (
	"context"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"appliance/e2e/internal/harness"
)

// TestTheOtherDoor sends to the port of the other protocol, with real SDKs:
// their error names the right one.
func TestTheOtherDoor(t *testing.T) {
	a := harness.Start(t, harness.Options{})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for name, c := range map[string]struct {
		exporter func() (*otlptrace.Exporter, error)
		right    string
	}{
		"gRPC to the port of HTTP": {func() (*otlptrace.Exporter, error) {
			return otlptracegrpc.New(ctx, otlptracegrpc.WithEndpoint(a.Intake), otlptracegrpc.WithInsecure())
		}, a.GRPC},
		"HTTP to the port of gRPC": {func() (*otlptrace.Exporter, error) {
			return otlptracehttp.New(ctx, otlptracehttp.WithEndpoint(a.GRPC), otlptracehttp.WithInsecure())
		}, a.Intake},
	} {
		exporter, err := c.exporter()
		if err != nil {
			t.Fatal(err)
		}
		err = exporter.ExportSpans(ctx, tracetest.SpanStubs{{Name: "lost"}}.Snapshots())
		_, port, splitErr := net.SplitHostPort(c.right)
		if err == nil || splitErr != nil || !strings.Contains(err.Error(), port) {
			t.Errorf("%s: %v does not name port %s", name, err, port)
		}
		if err := exporter.Shutdown(ctx); err != nil {
			t.Error(err)
		}
	}
}

// TestPreflights asks as a browser does before a page may send.
func TestPreflights(t *testing.T) {
	a := harness.Start(t, harness.Options{Env: map[string]string{"APPLIANCE_RECEIVER_CORS_ALLOWED_ORIGINS": "https://*.shop.example,http://localhost:*"}})
	for origin, allowed := range map[string]bool{
		"https://www.shop.example": true, "http://localhost:3000": true, "https://shop.example.evil": false, "null": false, "https://evil/.shop.example": false,
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodOptions, a.IntakeURL(), nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header = http.Header{"Origin": {origin}, "Access-Control-Request-Method": {"POST"}, "Access-Control-Request-Headers": {"content-type"}}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if got := resp.Header.Get("Access-Control-Allow-Origin") == origin && resp.StatusCode == http.StatusNoContent; got != allowed {
			t.Errorf("%s: %s, %v", origin, resp.Status, resp.Header)
		}
	}
}
