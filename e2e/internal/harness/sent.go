package harness

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"
)

// sent is the body of a request on its way through a recorder.
type sent struct {
	encoding string
	body     []byte
}

type sentKey struct{}

func withSent(req *http.Request, body []byte) context.Context {
	return context.WithValue(req.Context(), sentKey{}, &sent{encoding: req.Header.Get("Content-Encoding"), body: body})
}

// spanID is what makes a span that one and no other.
type spanID struct{ trace, span string } // in hexadecimal

// spans lists the spans in a body of protobuf, plain or gzip.
func (s *sent) spans() ([]spanID, error) {
	body := s.body
	if s.encoding == "gzip" {
		z, err := gzip.NewReader(bytes.NewReader(body))
		if err != nil {
			return nil, fmt.Errorf("decompress recorded request: %w", err)
		}
		if body, err = io.ReadAll(z); err != nil {
			return nil, fmt.Errorf("decompress recorded request: %w", err)
		}
	}
	var r collector.ExportTraceServiceRequest
	if err := proto.Unmarshal(body, &r); err != nil {
		return nil, fmt.Errorf("decode recorded request of %d bytes: %w", len(body), err)
	}
	var spans []spanID
	for _, rs := range r.ResourceSpans {
		for _, ss := range rs.ScopeSpans {
			for _, span := range ss.Spans {
				spans = append(spans, spanID{hex.EncodeToString(span.TraceId), hex.EncodeToString(span.SpanId)})
			}
		}
	}
	return spans, nil
}
