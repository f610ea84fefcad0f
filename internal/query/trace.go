package query

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/gogo/protobuf/jsonpb"
	"github.com/gogo/protobuf/proto"
	"github.com/grafana/tempo/modules/frontend/combiner"
	"github.com/grafana/tempo/pkg/model/trace"
	"github.com/grafana/tempo/pkg/tempopb"
	tracev1 "github.com/grafana/tempo/pkg/tempopb/trace/v1"
)

const (
	protobufType = "application/protobuf"
	jsonType     = "application/json"
)

// trace answers for one trace. The first version of the API says 404 where there is none, the second 200 and an
// empty trace; neither says so unless both Tempo and the archive were asked.
func (h *Handler) trace(v2 bool) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		tenant, ok := h.archivedTenant(w, r)
		if !ok {
			return
		}
		id, err := hex.DecodeString(strings.Repeat("0", len(r.PathValue("trace"))%2) + r.PathValue("trace"))
		if err != nil {
			http.Error(w, "a trace id is 1 to 32 hexadecimal digits", http.StatusBadRequest)
			return
		}
		start, _ := strconv.ParseInt(r.URL.Query().Get("start"), 10, 64)
		end, _ := strconv.ParseInt(r.URL.Query().Get("end"), 10, 64)
		if start == 0 || end == 0 {
			start, end = 0, 0 // as Tempo takes it
		}
		answer(h, w, r, tenant, question[*tempopb.TraceByIDResponse]{
			archived: func(ctx context.Context, skip func(string) bool) (*tempopb.TraceByIDResponse, []error, error) {
				return h.archive.FindTrace(ctx, tenant, id, start, end, skip)
			},
			nothing: func(resp *tempopb.TraceByIDResponse) bool { return resp.Trace == nil },
			absent:  true,
			decode: func(contentType string, body []byte) (*tempopb.TraceByIDResponse, error) {
				return decodeTrace(v2, contentType, body)
			},
			write: func(w http.ResponseWriter, parts []*tempopb.TraceByIDResponse, missing []error, unasked bool) {
				resp := combineTraces(parts, missing)
				if unasked && len(resp.Trace.ResourceSpans) == 0 {
					refuse(w, fmt.Errorf("the trace was not found, but not everything could be searched: %s", resp.Message))
					return
				}
				writeTrace(w, r, v2, resp)
			},
		})
	}
}

func decodeTrace(v2 bool, contentType string, body []byte) (*tempopb.TraceByIDResponse, error) {
	resp := &tempopb.TraceByIDResponse{}
	isProtobuf := strings.HasPrefix(contentType, protobufType)
	switch {
	case v2 && isProtobuf:
		return resp, proto.Unmarshal(body, resp)
	case v2:
		return resp, fromJSON(body, resp)
	}
	resp.Trace = &tempopb.Trace{}
	if isProtobuf {
		return resp, proto.Unmarshal(body, resp.Trace)
	}
	return resp, fromJSON([]byte(strings.Replace(string(body), `"batches":`, `"resourceSpans":`, 1)), resp.Trace)
}

// fromJSON takes fields that a newer Tempo may have for granted.
func fromJSON(body []byte, into proto.Message) error {
	u := jsonpb.Unmarshaler{AllowUnknownFields: true}
	return u.UnmarshalNext(json.NewDecoder(strings.NewReader(string(body))), into)
}

// combineTraces puts the parts together, each span once. Its Trace is never nil.
func combineTraces(parts []*tempopb.TraceByIDResponse, missing []error) *tempopb.TraceByIDResponse {
	out := &tempopb.TraceByIDResponse{Metrics: &tempopb.TraceByIDMetrics{}}
	combined := trace.NewCombiner(maxMerged, true)
	var why []string
	for i, p := range parts {
		if p == nil {
			continue
		}
		if p.Metrics != nil {
			out.Metrics.InspectedBytes += p.Metrics.InspectedBytes
		}
		if p.Status == tempopb.PartialStatus_PARTIAL {
			out.Status = p.Status
			why = append(why, p.Message)
		}
		if i > 0 && parts[0] != nil {
			withoutRenamed(p.Trace, parts[0].Trace)
		}
		_, _ = combined.Consume(p.Trace) // it only fails where a partial trace is not allowed
	}
	if combined.IsPartialTrace() {
		out.Status = tempopb.PartialStatus_PARTIAL
		why = append(why, fmt.Sprintf("the trace is larger than %d bytes and was cut", maxMerged))
	}
	if len(missing) > 0 {
		out.Status = tempopb.PartialStatus_PARTIAL
		for _, err := range missing {
			if !slices.ContainsFunc(why, func(s string) bool { return strings.Contains(s, err.Error()) }) {
				why = append(why, err.Error())
			}
		}
	}
	out.Message = strings.Join(why, "\n")
	if out.Trace, _ = combined.Result(); out.Trace == nil {
		out.Trace = &tempopb.Trace{}
	}
	out.Trace = separate(out.Trace)
	return out
}

// separate gives server spans that share their id with a client span, as Zipkin's do, an id of their own, as Tempo's
// frontend does.
func separate(tr *tempopb.Trace) *tempopb.Trace {
	clients := map[string]bool{}
	for s := range spansOf(tr) {
		if s.Kind == tracev1.Span_SPAN_KIND_CLIENT {
			clients[string(s.SpanId)] = true
		}
	}
	for s := range spansOf(tr) {
		if s.Kind == tracev1.Span_SPAN_KIND_SERVER && clients[string(s.SpanId)] {
			c := combiner.NewTypedTraceByIDV2(0, jsonType)
			if c.AddTypedResponse(&tempopb.TraceByIDResponse{Trace: tr}) != nil {
				return tr
			}
			if resp, err := c.GRPCFinal(); err == nil {
				return resp.Trace
			}
			return tr
		}
	}
	return tr
}

// withoutRenamed removes from the archive's trace the server spans that Tempo's has under a new id.
func withoutRenamed(archived, live *tempopb.Trace) {
	type key struct {
		parent, name string
		start, end   uint64
	}
	renamed := map[key]bool{}
	ids := map[string]bool{}
	for s := range spansOf(live) {
		ids[string(s.SpanId)+s.Kind.String()] = true
		if s.Kind == tracev1.Span_SPAN_KIND_SERVER {
			renamed[key{string(s.ParentSpanId), s.Name, s.StartTimeUnixNano, s.EndTimeUnixNano}] = true
		}
	}
	for _, rs := range archived.GetResourceSpans() {
		for _, ss := range rs.ScopeSpans {
			ss.Spans = slices.DeleteFunc(ss.Spans, func(s *tracev1.Span) bool {
				return s.Kind == tracev1.Span_SPAN_KIND_SERVER && ids[string(s.SpanId)+tracev1.Span_SPAN_KIND_CLIENT.String()] &&
					renamed[key{string(s.SpanId), s.Name, s.StartTimeUnixNano, s.EndTimeUnixNano}]
			})
		}
	}
}

func spansOf(tr *tempopb.Trace) func(func(*tracev1.Span) bool) {
	return func(yield func(*tracev1.Span) bool) {
		for _, rs := range tr.GetResourceSpans() {
			for _, ss := range rs.ScopeSpans {
				for _, s := range ss.Spans {
					if !yield(s) {
						return
					}
				}
			}
		}
	}
}

// writeTrace writes as Tempo does: the trace alone in the first version, protobuf for those who accept that.
func writeTrace(w http.ResponseWriter, r *http.Request, v2 bool, resp *tempopb.TraceByIDResponse) {
	if !v2 && len(resp.Trace.ResourceSpans) == 0 {
		text := "trace not found"
		if resp.Message != "" {
			text += "; not searched: " + resp.Message
		}
		http.Error(w, text, http.StatusNotFound)
		return
	}
	if resp.Status == tempopb.PartialStatus_PARTIAL && w.Header().Get(PartialHeader) == "" {
		w.Header().Set(PartialHeader, strings.Join(strings.Fields(resp.Message), " "))
	}
	var message proto.Message = resp
	if !v2 {
		message = resp.Trace
	}
	if r.Header.Get("Accept") == protobufType {
		body, err := proto.Marshal(message)
		write(w, protobufType, body, err)
		return
	}
	if v2 {
		writeJSON(w, resp)
		return
	}
	body, err := tempopb.MarshalToJSONV1(resp.Trace)
	write(w, jsonType, body, err)
}

// writeJSON writes a message as Tempo does.
func writeJSON(w http.ResponseWriter, message proto.Message) {
	var body strings.Builder
	err := new(jsonpb.Marshaler).Marshal(&body, message)
	write(w, jsonType, []byte(body.String()), err)
}

func write(w http.ResponseWriter, contentType string, body []byte, err error) {
	if err != nil {
		http.Error(w, fmt.Sprintf("write the answer: %v", err), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write(body)
}
