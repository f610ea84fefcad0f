// Package otlpjson writes traces as the JSON of OTLP, which a client can send
// again.
package otlpjson

import (
	"fmt"
	"io"

	"github.com/grafana/tempo/pkg/tempopb"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

// Write writes a trace in one line.
func Write(w io.Writer, t *tempopb.Trace) error {
	text, err := t.Marshal() // the same bytes as OTLP's TracesData
	if err != nil {
		return fmt.Errorf("encode the trace: %w", err)
	}
	traces, err := new(ptrace.ProtoUnmarshaler).UnmarshalTraces(text)
	if err != nil {
		return fmt.Errorf("read the trace of %d bytes as OTLP: %w", len(text), err)
	}
	if text, err = new(ptrace.JSONMarshaler).MarshalTraces(traces); err != nil {
		return fmt.Errorf("write the trace as JSON: %w", err)
	}
	_, err = w.Write(append(text, '\n'))
	return err
}
