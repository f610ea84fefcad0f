package e2e

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	_ "google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"

	"appliance/e2e/internal/harness"
)

// rawCodec sends bytes as they are.
type rawCodec struct{}

func (rawCodec) Marshal(v any) ([]byte, error)   { return *v.(*[]byte), nil }
func (rawCodec) Unmarshal(b []byte, v any) error { *v.(*[]byte) = bytes.Clone(b); return nil }
func (rawCodec) Name() string                    { return "proto" }
func export(c *grpc.ClientConn, ctx context.Context, message []byte, o ...grpc.CallOption) (answer []byte, err error) {
	err = c.Invoke(ctx, collector.TraceService_Export_FullMethodName, &message, &answer, append(o, grpc.ForceCodec(rawCodec{}))...)
	return answer, err
}

// TestGRPCConduct sends what can be wrong with a message through the real client of gRPC.
func TestGRPCConduct(t *testing.T) {
	backend := harness.NewBackend(t)
	a := harness.Start(t, harness.Options{Env: backend.Env(), Cgroup: harness.NewMemoryCgroup(t, 128*mebi)})
	c := dialConn(t, a.GRPC)
	gzip := grpc.UseCompressor("gzip")
	for _, x := range []struct {
		name     string
		message  []byte
		options  []grpc.CallOption
		code     codes.Code
		kept     int
		rejected int64
	}{
		{name: "good", message: goodRequest(), kept: 2},
		{name: "gzip", message: goodRequest(), options: []grpc.CallOption{gzip}, kept: 2},
		{name: "empty"},
		{name: "a span of zeros among others", message: requestOf(goodSpan(), spanOf(make([]byte, 16), randomBytes(8), "x")), kept: 1, rejected: 1},
		{name: "truncated", message: goodRequest()[:60], code: codes.InvalidArgument},
		{name: "not protobuf", message: []byte(`{"resourceSpans":[]}`), code: codes.InvalidArgument},
		{name: "exactly the limit", message: padded(bodyLimit), kept: 1},
		{name: "exactly the limit in gzip", message: padded(bodyLimit), options: []grpc.CallOption{gzip}, kept: 1},
		{name: "one byte beyond", message: padded(bodyLimit + 1), code: codes.ResourceExhausted},
		{name: "one byte beyond in gzip", message: padded(bodyLimit + 1), options: []grpc.CallOption{gzip}, code: codes.ResourceExhausted},
		{name: "100 MB of zeros in gzip", message: make([]byte, 100*mebi), options: []grpc.CallOption{gzip}, code: codes.ResourceExhausted},
		{name: "7 million empty spans", message: emptySpans(7_000_000), code: codes.ResourceExhausted},
		{name: "deep", message: deepProtobuf(500_000), code: codes.InvalidArgument},
	} {
		t.Run(x.name, func(t *testing.T) {
			before, arrived := a.Account(t), backend.Spans()
			answer, err := export(c, t.Context(), x.message, x.options...)
			st := status.Convert(err)
			if st.Code() != x.code || err != nil && st.Message() == "" {
				t.Fatalf("answered %v", err)
			}
			for _, d := range st.Details() {
				if _, ok := d.(*errdetails.RetryInfo); ok {
					t.Errorf("is to be sent again: %v", err)
				}
			}
			var response collector.ExportTraceServiceResponse
			if err := proto.Unmarshal(answer, &response); err != nil || response.GetPartialSuccess().GetRejectedSpans() != x.rejected {
				t.Errorf("answer %v, %v", &response, err)
			}
			now := a.Account(t)
			if kept, rejected := now.Kept-before.Kept, now.Rejections()-before.Rejections(); kept != int64(x.kept) || rejected != x.rejected {
				t.Errorf("the ledger says that %d spans were kept and %d rejected, want %d and %d", kept, rejected, x.kept, x.rejected)
			}
			arrive(t, backend, arrived+x.kept)
		})
	}
	t.Run("another signal", func(t *testing.T) {
		message := []byte{}
		err := c.Invoke(t.Context(), "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export", &message, &message, grpc.ForceCodec(rawCodec{}))
		if status.Code(err) != codes.Unimplemented || !strings.Contains(err.Error(), "traces alone") {
			t.Errorf("answered %v", err)
		}
	})
	t.Run("the port of HTTP", func(t *testing.T) {
		_, port, _ := strings.Cut(a.GRPC, ":")
		_, err := export(dialConn(t, a.Intake), t.Context(), goodRequest())
		if status.Code(err) != codes.Unimplemented || !strings.Contains(err.Error(), "send OTLP/gRPC to port "+port) {
			t.Errorf("answered %v", err)
		}
	})
}

// TestGRPCOverItsQuota holds that a client over its quota is told when to come
// again, so that it keeps its data.
func TestGRPCOverItsQuota(t *testing.T) {
	a := harness.Start(t, harness.Options{Env: map[string]string{
		"APPLIANCE_RECEIVER_CLIENT_REQUESTS_PER_SECOND": "0.01", "APPLIANCE_RECEIVER_TENANTS": "a,b",
	}})
	c := dialConn(t, a.GRPC)
	ctx := metadata.AppendToOutgoingContext(t.Context(), "x-scope-orgid", "a")
	if _, err := export(c, ctx, goodRequest()); err != nil {
		t.Fatal(err)
	}
	_, err := export(c, ctx, goodRequest())
	st := status.Convert(err)
	if st.Code() != codes.ResourceExhausted || len(st.Details()) != 1 {
		t.Fatalf("answered %v, %v", err, st.Details())
	}
	if info, ok := st.Details()[0].(*errdetails.RetryInfo); !ok || info.RetryDelay.AsDuration() < time.Minute {
		t.Errorf("RetryInfo %v", st.Details()[0])
	}
	_, err = export(c, metadata.AppendToOutgoingContext(t.Context(), "x-scope-orgid", "c"), goodRequest())
	if status.Code(err) != codes.PermissionDenied {
		t.Errorf("a tenant that is not served: %v", err)
	}
}

// TestGoSDKOverGRPC sends with the OpenTelemetry SDK for Go, which is told the
// host and "insecure" alone.
func TestGoSDKOverGRPC(t *testing.T) {
	const traces, spansPerTrace = 50, 4
	a := harness.Start(t, harness.Options{})
	for name, compressor := range map[string]string{"plain": "", "gzip": "gzip"} {
		t.Run(name, func(t *testing.T) {
			options := []otlptracegrpc.Option{otlptracegrpc.WithEndpoint(a.GRPC), otlptracegrpc.WithInsecure()}
			if compressor != "" {
				options = append(options, otlptracegrpc.WithCompressor(compressor))
			}
			exporter, err := otlptracegrpc.New(t.Context(), options...)
			if err != nil {
				t.Fatal(err)
			}
			service := "go-grpc-" + name
			sent := sendThrough(t, exporter, service, traces, spansPerTrace)
			a.MustFind(t, sent)
			a.MustSearch(t, fmt.Sprintf(`{ resource.service.name = %q && name = "child" }`, service), slices.Collect(maps.Keys(sent)))
		})
	}
}

// TestNodeSDKOverGRPC sends with the OpenTelemetry SDK for Node.js.
func TestNodeSDKOverGRPC(t *testing.T) {
	const traces, spansPerTrace = 50, 4
	dir := harness.NodeDir(t)
	a := harness.Start(t, harness.Options{})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "node", "send.mjs", "http://"+a.GRPC, "grpc", strconv.Itoa(traces), strconv.Itoa(spansPerTrace))
	cmd.Dir, cmd.Stderr = dir, os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("send with node: %v", err)
	}
	ids := strings.Fields(string(out))
	a.MustFind(t, withSpans(ids, spansPerTrace))
	a.MustSearch(t, `{ resource.service.name = "node-grpc" && span.run.even = true }`, everySecond(ids))
}

// TestTelemetrygenOverGRPC sends with the load generator of the OpenTelemetry
// project, whose default is gRPC.
func TestTelemetrygenOverGRPC(t *testing.T) {
	const traces, children = 200, 3
	a := harness.Start(t, harness.Options{})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, harness.Peer(t, "telemetrygen"), "traces", "--otlp-insecure", "--otlp-endpoint", a.GRPC,
		"--traces", strconv.Itoa(traces), "--child-spans", strconv.Itoa(children), "--rate", "0", "--service", "generated",
	).CombinedOutput()
	if err != nil {
		t.Fatalf("send with telemetrygen: %v\n%s", err, out)
	}
	if kept := a.Account(t).Kept; kept != traces*(1+children) {
		t.Errorf("kept %d spans of %d", kept, traces*(1+children))
	}
}

// TestTraefikOverGRPC gives a real Traefik its gRPC flags, and finds the traces.
func TestTraefikOverGRPC(t *testing.T) {
	const requests = 25
	a := harness.Start(t, harness.Options{})
	upstream := newTracedUpstream(t)
	web, _ := startTraefik(t, upstream.URL, "--tracing.otlp.grpc=true", "--tracing.otlp.grpc.insecure=true", "--tracing.otlp.grpc.endpoint="+a.GRPC)
	ids := make([]string, requests)
	for i := range ids {
		ids[i] = upstream.traceOf(t, "http://"+web, fmt.Sprintf("/order/%d", i))
	}
	a.MustSearch(t, `{ resource.service.name = "traefik" && span.http.response.status_code = 200 }`, ids)
}

// TestCollectorOverGRPC sends through the exporter of a real Collector, which
// is told the endpoint and "insecure" alone.
func TestCollectorOverGRPC(t *testing.T) {
	a := harness.Start(t, harness.Options{})
	intake := harness.FreePort(t)
	config := writeFile(t, "collector.yaml", fmt.Sprintf(`
receivers: {otlp: {protocols: {http: {endpoint: %q}}}}
exporters: {otlp_grpc: {endpoint: %q, tls: {insecure: true}}}
service:
  telemetry: {metrics: {level: none}}
  pipelines: {traces: {receivers: [otlp], exporters: [otlp_grpc]}}
`, intake, a.GRPC))
	harness.StartProcess(t, "collector", exec.Command(harness.Peer(t, "otelcol"), "--config", config))
	request, ids := harness.NewRequest("collected", 20, 3)
	body, err := proto.Marshal(request)
	if err != nil {
		t.Fatal(err)
	}
	through := &harness.Appliance{Intake: intake}
	harness.Eventually(t, 30*time.Second, "collector takes spans", func() error {
		answer, err := through.Post(t.Context(), bytes.NewReader(body), asProtobuf)
		if err == nil && answer.Status != 200 {
			err = fmt.Errorf("answered %d", answer.Status)
		}
		return err
	})
	a.MustFind(t, withSpans(ids, 3))
}

func sendThrough(t *testing.T, exporter sdk.SpanExporter, service string, traces, spansPerTrace int) map[string]int {
	t.Helper()
	ctx := t.Context()
	provider := sdk.NewTracerProvider(
		sdk.WithBatcher(exporter),
		sdk.WithResource(resource.NewSchemaless(attribute.String("service.name", service))),
	)
	tracer := provider.Tracer("e2e")
	sent := make(map[string]int, traces)
	for range traces {
		in, root := tracer.Start(ctx, "root")
		for range spansPerTrace - 1 {
			_, child := tracer.Start(in, "child")
			child.SetAttributes(attribute.Int("answer", 42))
			child.End()
		}
		root.End()
		sent[root.SpanContext().TraceID().String()] = spansPerTrace
	}
	if err := provider.ForceFlush(ctx); err != nil {
		t.Fatalf("send %d traces: %v", traces, err)
	}
	if err := provider.Shutdown(ctx); err != nil {
		t.Fatal(err)
	}
	return sent
}
