package conformance

import "strings"

// endpoint is what kind of answer a request has.
type endpoint int

const (
	other endpoint = iota
	traceV1
	traceV2
	search
	tags
	values
	metrics
)

// endpoint tells it from the path.
func (r *Request) endpoint() endpoint {
	p := strings.TrimSuffix(r.Path, "/")
	hasSuffix := func(suffixes ...string) bool {
		for _, s := range suffixes {
			if strings.HasSuffix(p, s) {
				return true
			}
		}
		return false
	}
	switch {
	case strings.Contains(p, "/MetricsQuery"), strings.Contains(p, "/api/metrics/"):
		return metrics
	case hasSuffix("/SearchTags", "/SearchTagsV2", "/search/tags"):
		return tags
	case strings.Contains(p, "/SearchTagValues"), hasSuffix("/values"):
		return values
	case hasSuffix("/Search"), p == "/api/search":
		return search
	case strings.HasPrefix(p, "/api/v2/traces"):
		return traceV2
	case strings.HasPrefix(p, "/api/traces"):
		return traceV1
	}
	return other
}
