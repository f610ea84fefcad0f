package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	gogo "github.com/gogo/protobuf/proto"
	"github.com/grafana/tempo/pkg/tempopb"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"appliance/e2e/internal/harness"
)

// A grafanaRequest is one that Grafana's data source for Tempo makes, or its
// Traces Drilldown.
type grafanaRequest struct {
	of     string // what the person does
	path   string
	accept string // "": as its browser does
	status int
	kind   string       // of the body
	list   string       // field of a JSON body that is a list, of something once there are spans
	has    string       // text of the body once there are spans
	proto  gogo.Message // what a protobuf body is
	spans  bool         // asked only once there are spans
	ours   bool         // not asked of a Tempo, which needs a generator for it
}

// TestGrafana makes the requests that Grafana makes: of an appliance without a span,
// of one with a trace, and of a real Tempo with the same trace, which shows that
// the expectations are right.
func TestGrafana(t *testing.T) {
	request, ids := harness.NewRequest("shop", 3, 2)
	failed := request.ResourceSpans[0].ScopeSpans[0].Spans[0]
	failed.Status = &trace.Status{Code: trace.Status_STATUS_CODE_ERROR}
	failed.Events = []*trace.Span_Event{{
		Name: "exception", TimeUnixNano: failed.EndTimeUnixNano,
		Attributes: []*common.KeyValue{harness.Attribute("exception.message", "no stock"), harness.Attribute("exception.type", "Error")},
	}}
	now := time.Now()
	asked := grafanaRequests(ids[0], now.Add(-time.Hour), now.Add(time.Minute))

	a := harness.Start(t, harness.Options{})
	t.Run("empty", func(t *testing.T) { askAsGrafana(t, "http://"+a.Read, asked, false, false) })
	if answer, err := a.Export(t.Context(), request); err != nil || answer.Status != http.StatusOK {
		t.Fatalf("send: %v, %+v", err, answer)
	}
	a.MustSearch(t, `{ resource.service.name = "shop" }`, ids)
	t.Run("with a trace", func(t *testing.T) { askAsGrafana(t, "http://"+a.Read, asked, true, false) })
	t.Run("Tempo", func(t *testing.T) {
		tempo := harness.StartTempo(t, t.TempDir(), harness.ReadingTempo)
		body, err := proto.Marshal(request)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.Post("http://"+tempo.OTLP+"/v1/traces", harness.Protobuf, bytes.NewReader(body))
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("send to Tempo: %v, %+v", err, resp)
		}
		resp.Body.Close()
		harness.Eventually(t, time.Minute, "the trace in a search", func() error {
			found, err := tempo.API.SearchBetween(t.Context(), `{ resource.service.name = "shop" }`, 20, now.Add(-time.Hour), now.Add(time.Minute))
			if err == nil && len(found) < len(ids) {
				err = fmt.Errorf("%d traces are found", len(found))
			}
			return err
		})
		askAsGrafana(t, "http://"+string(tempo.API), asked, true, true)
	})
}

// grafanaRequests are about a trace, and a range of time around it.
func grafanaRequests(id string, since, until time.Time) []grafanaRequest {
	const (
		js, protobuf = "application/json", "application/protobuf"
		absent       = "0123456789abcdef0123456789abcdef"
	)
	between := fmt.Sprintf("&start=%d&end=%d", since.Unix(), until.Unix())
	query := func(path, q, more string) string { return path + "?q=" + url.QueryEscape(q) + between + more }
	all := []grafanaRequest{
		{of: "save & test", path: "/api/echo", status: 200, kind: "text/plain", has: "echo"},
		{of: "save & test: the version", path: "/api/status/buildinfo", status: 200, kind: js, has: `"version"`},
		{of: "search", path: query("/api/search", "{}", "&limit=20&spss=3"), status: 200, kind: js, list: "traces", has: `"rootServiceName":"shop"`},
		{of: "search of the builder", path: query("/api/search", `{resource.service.name="shop" && kind=server}`, "&limit=20&spss=3"), status: 200, kind: js},
		{of: "search of a week", path: "/api/search?q=%7B%7D&limit=20&spss=3" + fmt.Sprintf("&start=%d&end=%d", until.Unix()-7*86400, until.Unix()), status: 200, kind: js, list: "traces"},
		{of: "search by tags", path: "/api/search?tags=" + url.QueryEscape("service.name=shop") + "&limit=20" + between, status: 200, kind: js, list: "traces", has: `"traceID"`},
		{of: "search while typing", path: query("/api/search", "{", "&limit=20"), status: 400, kind: "text/plain"},
		{of: "search with a wrong limit", path: query("/api/search", "{}", "&limit=x"), status: 400, kind: "text/plain"},
		{of: "tags", path: "/api/v2/search/tags?limit=5000" + between, status: 200, kind: js, list: "scopes", has: "service.name"},
		{of: "tags of a scope", path: "/api/v2/search/tags?scope=intrinsic" + between, status: 200, kind: js, list: "scopes", has: "rootServiceName"},
		{of: "tags, the older way", path: "/api/search/tags", status: 200, kind: js, list: "tagNames", has: "service.name"},
		{of: "values, the older way", path: "/api/search/tag/service.name/values", status: 200, kind: js, list: "tagValues", has: "shop"},
		{of: "an absent trace, the older way", path: "/api/traces/" + absent, status: 404},
		{of: "an absent trace", path: "/api/v2/traces/" + absent + "?" + between[1:], accept: protobuf, status: 200, kind: protobuf, proto: &tempopb.TraceByIDResponse{}},
		{of: "a wrong id", path: "/api/traces/xyz", status: 400, kind: "text/plain"},
		{of: "a trace", path: "/api/v2/traces/" + id + "?" + between[1:], accept: protobuf, status: 200, kind: protobuf, proto: &tempopb.TraceByIDResponse{}, has: "shop", spans: true},
		{of: "a trace in JSON", path: "/api/v2/traces/" + id, status: 200, kind: js, has: `"shop"`, spans: true},
		{of: "a trace, the older way", path: "/api/traces/" + id, accept: protobuf, status: 200, kind: protobuf, proto: &tempopb.Trace{}, has: "shop", spans: true},
		{of: "a trace in JSON, the older way", path: "/api/traces/" + id, status: 200, kind: js, list: "batches", has: `"shop"`, spans: true},
	}
	for tag, value := range map[string]string{
		"resource.service.name": "shop", ".service.name": "shop", "name": "", "status": "", "kind": "", "rootName": "",
		"rootServiceName": "shop", "span:status": "", "event:name": "", "instrumentation:name": "",
	} {
		all = append(all, grafanaRequest{
			of: "values of " + tag, path: query("/api/v2/search/tag/"+tag+"/values", "{}", "&limit=5000"),
			status: 200, kind: js, list: "tagValues", has: value,
		})
	}
	for of, q := range map[string]string{
		"rate": `{nestedSetParent<0 && true} | rate()`, "errors": `{nestedSetParent<0 && status=error} | rate()`,
		"rate by service": `{nestedSetParent<0} | rate() by(resource.service.name)`,
		"durations":       `{nestedSetParent<0} | histogram_over_time(duration)`,
		"slowest":         `{nestedSetParent<0} | quantile_over_time(duration, 0.9) by(resource.service.name)`,
		"comparison":      `{nestedSetParent<0} | compare({status = error})`,
	} {
		all = append(all,
			grafanaRequest{of: "drilldown: " + of, path: query("/api/metrics/query_range", q, "&step=15s&exemplars=100"), status: 200, kind: js, list: "series", ours: true},
			grafanaRequest{of: "drilldown, one value: " + of, path: query("/api/metrics/query", q, ""), status: 200, kind: js, has: `"series":[{`, ours: true},
		)
	}
	return append(all,
		grafanaRequest{of: "drilldown: structure", status: 200, kind: js, list: "traces", path: query("/api/search",
			`{nestedSetParent<0} &>> {} | select(status, resource.service.name, name, nestedSetParent, nestedSetLeft, nestedSetRight)`, "&limit=200&spss=20")},
		grafanaRequest{of: "drilldown: exceptions", status: 200, kind: js, list: "traces", has: "no stock", path: query("/api/search",
			`{nestedSetParent<0 && event:name = "exception"} | select(resource.service.name, event.exception.message, event.exception.type)`, "&limit=400&spss=10")},
		grafanaRequest{of: "metric while typing", path: query("/api/metrics/query_range", "{} | rate(", "&step=15s"), status: 400, kind: "text/plain", ours: true},
	)
}

func askAsGrafana(t *testing.T, base string, all []grafanaRequest, filled, tempo bool) {
	t.Helper()
	for _, r := range all {
		if r.spans && !filled || r.ours && tempo {
			continue
		}
		t.Run(r.of, func(t *testing.T) {
			if err := r.ask(t, base, filled); err != nil {
				t.Errorf("%s: %v", r.path, err)
			}
		})
	}
}

// ask says what is wrong with the answer.
func (r *grafanaRequest) ask(t *testing.T, base string, filled bool) error {
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+r.path, nil)
	if err != nil {
		return err
	}
	for k, v := range map[string]string{
		"User-Agent": "Grafana/12.4.0", "X-Grafana-Org-Id": "1", "X-Datasource-Uid": "P214B5B846CF3925F",
		"X-Forwarded-For": "10.0.0.1, 10.0.0.2", "Accept": "application/json, text/plain, */*",
	} {
		req.Header.Set(k, v)
	}
	if r.accept != "" {
		req.Header.Set("Accept", r.accept)
	}
	resp, err := http.DefaultClient.Do(req) // asks for gzip, as Grafana's does
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if kind := resp.Header.Get("Content-Type"); resp.StatusCode != r.status || !strings.HasPrefix(kind, r.kind) {
		return fmt.Errorf("the answer is %s with %q, not %d with %q: %.300s", resp.Status, kind, r.status, r.kind, body)
	}
	if filled && !strings.Contains(string(body), r.has) {
		return fmt.Errorf("the answer lacks %q: %.300s", r.has, body)
	}
	if r.proto != nil {
		return gogo.Unmarshal(body, gogo.Clone(r.proto))
	}
	if r.kind != "application/json" {
		return nil
	}
	var fields map[string]any
	if err := json.Unmarshal(body, &fields); err != nil {
		return fmt.Errorf("read %.300s: %w", body, err)
	}
	if r.list == "" {
		return nil
	}
	if list, ok := fields[r.list].([]any); !ok || filled && len(list) == 0 {
		return fmt.Errorf("%q is not a list with something in it: %.300s", r.list, body)
	}
	return nil
}
