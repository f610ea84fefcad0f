package receiver

import (
	"net/http"
	"net/url"
	"strings"
)

// isTraces says whether a URL is one at which traces are taken. RawPath is set
// for another spelling, such as %2F, of the same path.
func isTraces(u *url.URL) bool {
	return (u.Path == "/v1/traces" || u.Path == "/") && u.RawPath == ""
}

// errPathOf is for a path at which nothing is taken. Clients drop their data, so
// the answer says what would have been right.
func errPathOf(path string) *refusal {
	hint := ""
	switch signal, ok := otherSignal(path); {
	case ok:
		hint = "this receiver takes traces alone; send " + signal + " elsewhere"
	case strings.HasPrefix(path, "/api/v1/spans"), strings.HasPrefix(path, "/api/v2/spans"):
		hint = "Zipkin's format is not taken here; send OTLP, or through a Collector with the receiver zipkin"
	case path == "/api/traces", strings.HasPrefix(path, "/jaeger.api_v2"):
		hint = "Jaeger's format is not taken here; send OTLP, or through a Collector with the receiver jaeger"
	case strings.HasPrefix(path, "/opentelemetry.proto.collector.trace."):
		hint = "this is OTLP/gRPC over HTTP/1.1, which gRPC does not know"
	case strings.Contains(strings.ToLower(path), "trace"):
		hint = "the path is not one of this receiver's; a base URL in OTEL_EXPORTER_OTLP_ENDPOINT has no path, since the exporter adds it"
	default:
		return errPath
	}
	return &refusal{code: http.StatusNotFound, message: hint + "; traces are taken at /v1/traces", hangUp: true}
}
