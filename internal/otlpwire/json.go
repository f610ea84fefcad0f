package otlpwire

// FromJSON turns an OTLP/JSON request into protobuf appended to dst.
func (l *Limits) FromJSON(dst, body []byte) ([]byte, error) {
	return dst, nil
}
