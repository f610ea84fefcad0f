package harness

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	resource "go.opentelemetry.io/proto/otlp/resource/v1"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// Protobuf is the content type of OTLP in protobuf.
const Protobuf = "application/x-protobuf"

// client gives up rather than hang a test.
var client = &http.Client{Timeout: 30 * time.Second}

// NewRequest makes an export request of traces new traces, each a root with
// children, all of one service. Their ids come in order.
func NewRequest(service string, traces, spansPerTrace int) (*collector.ExportTraceServiceRequest, []string) {
	scope := &trace.ScopeSpans{Scope: &common.InstrumentationScope{Name: "e2e"}}
	ids := make([]string, traces)
	for i := range ids {
		id, root := random(16), random(8)
		ids[i] = hex.EncodeToString(id)
		end := time.Now()
		for j := range spansPerTrace {
			s := &trace.Span{
				TraceId: id, SpanId: root, Name: "root", Kind: trace.Span_SPAN_KIND_SERVER,
				StartTimeUnixNano: uint64(end.Add(-time.Second).UnixNano()), EndTimeUnixNano: uint64(end.UnixNano()),
			}
			if j > 0 {
				s.SpanId, s.ParentSpanId, s.Name, s.Kind = random(8), root, fmt.Sprintf("child %d", j), trace.Span_SPAN_KIND_INTERNAL
			}
			scope.Spans = append(scope.Spans, s)
		}
	}
	return &collector.ExportTraceServiceRequest{ResourceSpans: []*trace.ResourceSpans{{
		Resource:   &resource.Resource{Attributes: []*common.KeyValue{Attribute("service.name", service)}},
		ScopeSpans: []*trace.ScopeSpans{scope},
	}}}, ids
}

// Attribute is a string attribute.
func Attribute(key, value string) *common.KeyValue {
	return &common.KeyValue{Key: key, Value: &common.AnyValue{Value: &common.AnyValue_StringValue{StringValue: value}}}
}

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never returns an error
	return b
}

// Answer is what a client saw.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// Rejected is the number of spans that a 200 in protobuf says were not taken.
func (a *Answer) Rejected() (int64, error) {
	var r collector.ExportTraceServiceResponse
	if err := proto.Unmarshal(a.Body, &r); err != nil {
		return 0, fmt.Errorf("decode export response of %d bytes: %w", len(a.Body), err)
	}
	return r.GetPartialSuccess().GetRejectedSpans(), nil
}

// Export sends a request in protobuf once.
func (a *Appliance) Export(ctx context.Context, r *collector.ExportTraceServiceRequest) (*Answer, error) {
	body, err := proto.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("encode export request: %w", err)
	}
	return a.Post(ctx, bytes.NewReader(body), http.Header{"Content-Type": {Protobuf}})
}

// Post sends a body to the intake once.
func (a *Appliance) Post(ctx context.Context, body io.Reader, header http.Header) (*Answer, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, a.IntakeURL(), body)
	if err != nil {
		return nil, err
	}
	req.Header = header
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return nil, fmt.Errorf("read answer: %w", err)
	}
	return &Answer{Status: resp.StatusCode, Header: resp.Header, Body: answer}, nil
}
