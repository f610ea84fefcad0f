package querier

import (
	"appliance/internal/block"
	"appliance/internal/traceql"
)

// blockFields are the fields that a query names, as a block reads them.
func blockFields(fields []traceql.Field) *block.Fields {
	out := &block.Fields{}
	for _, f := range fields {
		switch f.Level() {
		case traceql.LevelEvent:
			out.Events = true
		case traceql.LevelLink:
			out.Links = true
		}
		switch f.Intrinsic {
		case traceql.IntrinsicNone:
			if o, ok := ownerOf(f.Scope); ok {
				out.Keys[o] = append(out.Keys[o], []byte(f.Name))
			}
		case traceql.IntrinsicStatusMessage:
			out.StatusMessage = true
		case traceql.IntrinsicTraceState:
			out.TraceState = true
		}
	}
	return out
}
