package otlpwire

// Filter scans body (an ExportTraceServiceRequest), calls visit once for each
// valid span in the order of the bytes, and appends the request made of what
// was kept to dst, which must not overlap body. Invalid spans are left out and
// counted.
//
// ResourceSpans and ScopeSpans that lose all their spans are left out with them;
// those that had none stay. Everything else stays byte for byte, except for the
// lengths of what a changed span is in. Field 1000 of ResourceSpans, ScopeSpans
// by their deprecated name, is filtered likewise and becomes field 2.
//
// When nothing changes and dst is empty, out is body itself, nothing is copied
// and Counts.Unchanged is true; dst then remains the caller's to reuse.
//
// An error means that the whole request is refused: ErrMalformed, ErrTooDeep or
// ErrTooMany. out is then nil, and visit may have been called already.
//
// What Filter accepts, protobuf's own decoder accepts. Filter refuses more:
// nesting and numbers beyond the Limits, a known field of the wrong wire type (for
// protobuf an unknown field; pdata refuses it too), and a field number above 2^29-1
// within a group. Text that is not UTF-8 costs the span instead of the request.
//
// What Filter accepts, pdata's UnmarshalProto decodes to the same spans, except for
// three things: identifiers of the wrong length, for which pdata refuses the request
// and Filter drops the span; ScopeSpans of the deprecated name beside others of the
// new one, which pdata loses; and groups, which are valid as unknown fields and which
// pdata (1.71) refuses or takes the content of for fields of the message around
// them. No version of OTLP has groups. What protobuf forbids and pdata lets pass,
// Filter refuses: varints of more than 64 bits, field numbers that pdata cuts to 32
// bits.
func (l *Limits) Filter(dst, body []byte, visit func(*Span) Verdict) (out []byte, n Counts, err error) {
	s := newScanner(l, body)
	defer s.release()
	s.visit = visit
	s.writing = true
	s.out = dst
	if !s.request() {
		return nil, s.counts, s.err
	}
	if !s.changed && len(dst) == 0 {
		s.counts.Unchanged = true
		return body, s.counts, nil
	}
	s.flush(len(body))
	return s.out, s.counts, nil
}

// Walk is Filter without a result: watch sees every span, also the invalid ones,
// which have Span.Invalid set; the valid ones count as kept.
func (l *Limits) Walk(body []byte, watch func(*Span)) (n Counts, err error) {
	s := newScanner(l, body)
	defer s.release()
	s.watch = watch
	if !s.request() {
		return s.counts, s.err
	}
	return s.counts, nil
}
