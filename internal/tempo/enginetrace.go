package tempo

import (
	"context"
	"encoding/hex"
	"errors"
	"net/http"
	"strings"

	"appliance/internal/readapi"

	"github.com/grafana/tempo/pkg/tempopb"
)

// Trace returns all spans that Tempo has of a trace.
func (e *Engine) Trace(
	ctx context.Context, r readapi.TraceRequest,
) (*readapi.TraceAnswer, error) {
	id := hex.EncodeToString(r.ID[:])
	resp := &tempopb.TraceByIDResponse{}
	err := e.get(ctx, r.Tenant, "/api/v2/traces/"+id, nil, resp)
	if isNotFound(err) {
		return e.traceV1(ctx, r.Tenant, id)
	}
	if err != nil {
		return nil, judge(err)
	}
	answer := &readapi.TraceAnswer{Trace: resp.Trace}
	if resp.Status == tempopb.PartialStatus_PARTIAL {
		answer.Missing = partial(resp.Message)
	}
	if len(resp.Trace.GetResourceSpans()) == 0 {
		answer.Trace = nil
	}
	return answer, nil
}

// traceV1 asks a Tempo before 2.7, which has the first version of the API alone.
func (e *Engine) traceV1(
	ctx context.Context, tenant, id string,
) (*readapi.TraceAnswer, error) {
	trace := &tempopb.Trace{}
	err := e.get(ctx, tenant, "/api/traces/"+id, nil, trace)
	var r *refusal
	switch {
	case isNotFound(err) && errors.As(err, &r) && r.saysNoTrace():
		return &readapi.TraceAnswer{}, nil
	case err != nil:
		return nil, judge(err)
	case len(trace.ResourceSpans) == 0:
		return nil, unavailable(errors.New("it answers 200 to /api/traces, and no span"))
	}
	return &readapi.TraceAnswer{Trace: trace}, nil
}

// saysNoTrace tells a Tempo that does not have a trace from a server that does
// not have the API.
func (r *refusal) saysNoTrace() bool {
	return r.text == "" || strings.Contains(strings.ToLower(r.text), "trace not found")
}

func isNotFound(err error) bool {
	var r *refusal
	return errors.As(err, &r) && r.status == http.StatusNotFound
}
