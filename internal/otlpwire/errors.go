package otlpwire

import "errors"

// What a refused request is refused for; test with errors.Is.
var (
	ErrMalformed = errors.New("malformed request")               // not an ExportTraceServiceRequest: 400
	ErrTooDeep   = errors.New("request nested too deep")         // 400
	ErrTooMany   = errors.New("request holds too many elements") // 413
)
