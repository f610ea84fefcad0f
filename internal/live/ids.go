package live

import "appliance/internal/otlpwire"

const (
	resourceSpans        = 1<<3 | otlpwire.TagBytes // of a request
	scopeSpans           = 2<<3 | otlpwire.TagBytes // of ResourceSpans
	deprecatedScopeSpans = 1000<<3 | otlpwire.TagBytes
	spans                = 2<<3 | otlpwire.TagBytes // of ScopeSpans
	traceIDField         = 1<<3 | otlpwire.TagBytes // of a span
)

// TraceIDs calls visit with the trace id of each span of a record. It passes over
// everything else: the receiver has read all of it, and whoever makes a block of
// it does again.
func TraceIDs(record []byte, visit func(id []byte)) error {
	return within(record, resourceSpans, resourceSpans, func(rs []byte) error {
		return within(rs, scopeSpans, deprecatedScopeSpans, func(ss []byte) error {
			return within(ss, spans, spans, func(span []byte) error {
				var id []byte
				err := within(span, traceIDField, traceIDField, func(b []byte) error { id = b; return nil })
				if err == nil {
					visit(id)
				}
				return err
			})
		})
	})
}

// within calls visit with each field that has one of two tags.
func within(message []byte, tag, other uint32, visit func([]byte) error) error {
	f := otlpwire.NewFields(message)
	for f.Next() {
		if f.Tag == tag || f.Tag == other {
			if err := visit(f.Bytes); err != nil {
				return err
			}
		}
	}
	return f.Err()
}
