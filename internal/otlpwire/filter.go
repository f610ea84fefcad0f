package otlpwire

// Limits bounds what one request may hold. A zero field means its default.
type Limits struct {
	MaxDepth      int
	MaxSpans      int
	MaxAttributes int
}

// Counts accounts for every span of a request: Spans = Kept + Dropped + Invalid.
type Counts struct {
	Spans        int
	Kept         int
	Dropped      int
	Invalid      int
	FirstInvalid Invalid // why the first invalid span is invalid
}

// Filter scans body, calls visit once for each valid span and appends the
// request made of what was kept to dst.
func (l *Limits) Filter(dst, body []byte, visit func(*Span) Verdict) (out []byte, n Counts, err error) {
	return dst, n, nil
}

// Walk visits every span, valid or not, and writes nothing.
func (l *Limits) Walk(body []byte, visit func(*Span)) (n Counts, err error) {
	return n, nil
}

// FromJSON turns an OTLP/JSON request into protobuf appended to dst.
func (l *Limits) FromJSON(dst, body []byte) ([]byte, error) {
	return dst, nil
}
