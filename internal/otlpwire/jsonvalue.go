package otlpwire

// ValueFromJSON turns an AnyValue in OTLP/JSON into protobuf appended to dst,
// with the rules of FromJSON, but nested up to StoredDepth unless MaxDepth says
// otherwise: it reads what is stored. An error leaves dst as it was.
func (l *Limits) ValueFromJSON(dst, text []byte) ([]byte, error) {
	t := transcoder{limits: l.withDefaults(), out: dst}
	t.b = text
	t.maxDepth = t.limits.MaxDepth
	if l.MaxDepth == 0 {
		t.maxDepth = StoredDepth
	}
	if t.space() != '{' {
		t.unexpected()
		return dst, t.err
	}
	if !t.object(anyValueJSON, 0) {
		return dst, t.err
	}
	if t.space(); t.pos < len(text) {
		t.fail(trailingData, t.pos)
		return dst, t.err
	}
	return t.out, nil
}
