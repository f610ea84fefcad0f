package readapi

import (
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/gogo/protobuf/proto"
	"github.com/google/uuid"
	"github.com/grafana/tempo/pkg/tempopb"
)

// trace answers for one trace in the first version of the API: the trace alone,
// and 404 where there is none. Nobody knows that there is none where something
// could not be read.
func (h *Handler) trace(w http.ResponseWriter, r *http.Request) error {
	answer, leave, err := h.findTrace(r)
	if err != nil {
		return err
	}
	defer leave()
	if answer.Trace == nil && len(answer.Missing) > 0 {
		markPartial(w, answer.Missing)
		return unavailable("the trace was not found, but not everything could be searched: %s",
			strings.Join(answer.Missing, "; "))
	}
	if answer.Trace == nil {
		w.WriteHeader(http.StatusNotFound)
		return nil
	}
	if acceptsProtobuf(r) {
		return writeProtobuf(w, answer.Trace, answer.Missing)
	}
	return writeBody(w, jsonType, traceJSONOf(answer.Trace, "batches"), answer.Missing)
}

// traceV2 answers for one trace in the second version of the API: with a
// status, and an empty trace where there is none.
func (h *Handler) traceV2(w http.ResponseWriter, r *http.Request) error {
	answer, leave, err := h.findTrace(r)
	if err != nil {
		return err
	}
	defer leave()
	resp := &tempopb.TraceByIDResponse{Trace: answer.Trace, Metrics: &tempopb.TraceByIDMetrics{}}
	if resp.Trace == nil {
		resp.Trace = &tempopb.Trace{}
	}
	resp.Status, resp.Message = statusOf(answer.Missing)
	if acceptsProtobuf(r) {
		return writeProtobuf(w, resp, answer.Missing)
	}
	return writeBody(w, jsonType, traceV2JSON(resp), answer.Missing)
}

// traceV2JSON is what jsonpb makes of the answer.
func traceV2JSON(resp *tempopb.TraceByIDResponse) []byte {
	w := &jsonWriter{b: append([]byte(`{"trace":`), traceJSONOf(resp.Trace, "resourceSpans")...)}
	w.b = append(w.b, `,"metrics":{}`...)
	w.enum("status", int32(resp.Status), tempopb.PartialStatus_name)
	w.string("message", resp.Message)
	w.close('}')
	return w.b
}

// findTrace asks for the trace that the path names. The range of the request is
// a hint that is not needed.
func (h *Handler) findTrace(r *http.Request) (answer *TraceAnswer, leave func(), err error) {
	req := TraceRequest{}
	if req.ID, err = ParseTraceID(r.PathValue("trace")); err != nil {
		return nil, nil, err
	}
	if err := checkTraceParameters(r.URL.Query()); err != nil {
		return nil, nil, err
	}
	if req.Tenant, err = h.tenantOf(r); err != nil {
		return nil, nil, err
	}
	if leave, err = h.takeTurn(r.Context()); err != nil {
		return nil, nil, err
	}
	if answer, err = h.Engine.Trace(r.Context(), req); err != nil {
		leave()
		return nil, nil, err
	}
	if answer.Trace != nil && len(answer.Trace.ResourceSpans) == 0 {
		answer.Trace = nil
	}
	if err := regroup(answer.Trace); err != nil {
		leave()
		return nil, nil, fmt.Errorf("group the spans of a trace: %w", err)
	}
	separateSharedIDs(answer.Trace)
	return answer, leave, nil
}

// ParseTraceID reads a trace id of 1 to 32 hexadecimal digits, with zeros in
// front of fewer. An empty one is that of no trace.
func ParseTraceID(text string) (id [16]byte, err error) {
	position := 0
	for _, c := range text {
		position++
		if !strings.ContainsRune("0123456789abcdefABCDEF", c) {
			return id, badRequest("trace IDs can only contain hex characters: "+
				"invalid character '%c' at position %d", c, position)
		}
	}
	if len(text) > 2*len(id) {
		return id, badRequest("trace IDs can't be larger than 128 bits")
	}
	_, err = hex.Decode(id[:], []byte(strings.Repeat("0", 2*len(id)-len(text))+text))
	return id, err
}

// checkTraceParameters refuses what Tempo refuses. None of the parameters
// changes the answer: everything is always looked at.
func checkTraceParameters(q url.Values) error {
	var times [2]int64
	for i, name := range []string{"start", "end"} {
		text := q.Get(name)
		if text == "" {
			continue
		}
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return badRequest("invalid %s: %v", name, err)
		}
		times[i] = n
	}
	if times[0] != 0 && times[1] != 0 && times[0] >= times[1] {
		return badRequest("http parameter start must be before end. received start=%d end=%d",
			times[0], times[1])
	}
	switch mode := q.Get("mode"); mode {
	case "", "all", "blocks", "ingesters":
	default:
		return badRequest("invalid value for mode %s", mode)
	}
	for _, name := range []string{"blockStart", "blockEnd"} {
		if text := q.Get(name); text != "" {
			if _, err := uuid.Parse(text); err != nil {
				return badRequest("invalid value for %s: %v", strings.ToLower(name), err)
			}
		}
	}
	return nil
}

// statusOf is the API's own word for an answer that is not complete.
func statusOf(missing Missing) (tempopb.PartialStatus, string) {
	if len(missing) == 0 {
		return tempopb.PartialStatus_COMPLETE, ""
	}
	return tempopb.PartialStatus_PARTIAL, strings.Join(missing, "\n")
}

// acceptsProtobuf is as strict as Tempo.
func acceptsProtobuf(r *http.Request) bool { return r.Header.Get("Accept") == protobufType }

func writeProtobuf(w http.ResponseWriter, message proto.Message, missing Missing) error {
	body, err := proto.Marshal(message)
	if err != nil {
		return fmt.Errorf("encode the answer as protobuf: %w", err)
	}
	return writeBody(w, protobufType, body, missing)
}
