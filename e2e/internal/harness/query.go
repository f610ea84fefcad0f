package harness

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/grafana/tempo/pkg/tempopb"
)

// FoundPatience is how long an acknowledged trace may take to show up in an
// answer on a busy machine.
const FoundPatience = 30 * time.Second

// ErrNotFound is the answer that there is no such trace.
var ErrNotFound = errors.New("trace not found")

// API is Tempo's read API at host:port, an appliance's or a Tempo's own.
type API string

func (a *Appliance) api() API { return API(a.Read) }

// Trace reads a trace by its id.
func (a *Appliance) Trace(ctx context.Context, id string) (*tempopb.Trace, error) {
	return a.api().Trace(ctx, id)
}

// Trace reads a trace by its id.
func (a API) Trace(ctx context.Context, id string) (*tempopb.Trace, error) {
	body, err := a.get(ctx, "/api/traces/"+id, "application/protobuf")
	if err != nil {
		return nil, err
	}
	t := &tempopb.Trace{}
	if err := t.Unmarshal(body); err != nil {
		return nil, fmt.Errorf("decode trace %s of %d bytes: %w", id, len(body), err)
	}
	return t, nil
}

// SpanCount is the number of spans that are found of a trace.
func (a *Appliance) SpanCount(ctx context.Context, id string) (int, error) {
	t, err := a.Trace(ctx, id)
	if err != nil {
		return 0, err
	}
	return Spans(t), nil
}

// Spans is the number of spans of a trace; none of nil.
func Spans(t *tempopb.Trace) (n int) {
	for _, r := range t.GetResourceSpans() {
		for _, s := range r.ScopeSpans {
			n += len(s.Spans)
		}
	}
	return n
}

// Search returns the ids, padded to 32 digits, of the traces that a TraceQL query finds.
func (a *Appliance) Search(ctx context.Context, traceQL string, limit int) (map[string]bool, error) {
	return a.api().search(ctx, url.Values{"q": {traceQL}, "limit": {strconv.Itoa(limit)}})
}

// SearchBetween is Search in a range of time.
func (a API) SearchBetween(ctx context.Context, traceQL string, limit int, since, until time.Time) (map[string]bool, error) {
	return a.search(ctx, url.Values{
		"q": {traceQL}, "limit": {strconv.Itoa(limit)}, "spss": {"1"},
		"start": {strconv.FormatInt(since.Unix(), 10)}, "end": {strconv.FormatInt(until.Unix(), 10)},
	})
}

// Matched returns how many spans of each trace a TraceQL query matches, by their ids, padded.
func (a *Appliance) Matched(ctx context.Context, traceQL string, limit, spansEach int, since, until time.Time) (map[string]int, error) {
	found, err := a.api().searchTraces(ctx, url.Values{
		"q": {traceQL}, "limit": {strconv.Itoa(limit)}, "spss": {strconv.Itoa(spansEach)},
		"start": {strconv.FormatInt(since.Unix(), 10)}, "end": {strconv.FormatInt(until.Unix(), 10)},
	})
	matched := map[string]int{}
	for _, t := range found {
		for _, set := range t.SpanSets {
			if set.Matched != len(set.Spans) {
				return nil, fmt.Errorf("trace %s has %d spans that match, and lists %d", t.TraceID, set.Matched, len(set.Spans))
			}
			matched[PadTraceID(t.TraceID)] += set.Matched
		}
	}
	return matched, err
}

// Count is the sum of all values that a TraceQL metrics query has in a range of time.
func (a *Appliance) Count(ctx context.Context, traceQL string, since, until time.Time) (n float64, err error) {
	q := url.Values{
		"q": {traceQL}, "step": {"60s"},
		"start": {strconv.FormatInt(since.Unix(), 10)}, "end": {strconv.FormatInt(until.Unix(), 10)},
	}
	body, err := a.get(ctx, "/api/metrics/query_range?"+q.Encode(), "application/json")
	if err != nil {
		return 0, err
	}
	var r struct {
		Series []struct{ Samples []struct{ Value float64 } }
	}
	if err := json.Unmarshal(body, &r); err != nil {
		return 0, fmt.Errorf("decode the answer to a metrics query: %w", err)
	}
	for _, series := range r.Series {
		for _, s := range series.Samples {
			n += s.Value
		}
	}
	return n, nil
}

func (a API) search(ctx context.Context, q url.Values) (map[string]bool, error) {
	found, err := a.searchTraces(ctx, q)
	ids := map[string]bool{}
	for _, t := range found {
		ids[PadTraceID(t.TraceID)] = true
	}
	return ids, err
}

// foundTrace is a trace of a search result.
type foundTrace struct {
	TraceID  string `json:"traceID"`
	SpanSets []struct {
		Matched int               `json:"matched"`
		Spans   []json.RawMessage `json:"spans"`
	} `json:"spanSets"`
}

func (a API) searchTraces(ctx context.Context, q url.Values) ([]foundTrace, error) {
	body, err := a.get(ctx, "/api/search?"+q.Encode(), "application/json")
	if err != nil {
		return nil, err
	}
	var found struct {
		Traces []foundTrace `json:"traces"`
	}
	if err := json.Unmarshal(body, &found); err != nil {
		return nil, fmt.Errorf("decode search result: %w", err)
	}
	return found.Traces, nil
}

// PadTraceID undoes what a search does to ids: it leaves out leading zeros.
func PadTraceID(id string) string {
	return strings.Repeat("0", max(0, 32-len(id))) + id
}

// MustFind waits until each trace is found by its id with exactly the spans it was sent with.
func (a *Appliance) MustFind(t testing.TB, spans map[string]int) {
	t.Helper()
	missing := make(map[string]int, len(spans))
	for id, n := range spans {
		missing[id] = n
	}
	Eventually(t, FoundPatience, "traces found by id", func() error {
		var last error
		for id, want := range missing {
			got, err := a.SpanCount(t.Context(), id)
			switch {
			case err != nil:
				last = fmt.Errorf("trace %s: %w", id, err)
			case got > want:
				t.Fatalf("trace %s has %d spans, sent were %d", id, got, want)
			case got < want:
				last = fmt.Errorf("trace %s has %d of %d spans", id, got, want)
			default:
				delete(missing, id)
			}
		}
		if len(missing) > 0 {
			return fmt.Errorf("%d of %d traces missing, such as: %w", len(missing), len(spans), last)
		}
		return nil
	})
}

// MustSearch waits until a TraceQL query finds each of the traces.
func (a *Appliance) MustSearch(t testing.TB, traceQL string, ids []string) {
	t.Helper()
	Eventually(t, FoundPatience, "traces found by "+traceQL, func() error {
		found, err := a.Search(t.Context(), traceQL, len(ids)+20)
		if err != nil {
			return err
		}
		for _, id := range ids {
			if !found[id] {
				return fmt.Errorf("trace %s is not among the %d found, %d were sent", id, len(found), len(ids))
			}
		}
		return nil
	})
}

func (a *Appliance) get(ctx context.Context, path, accept string) ([]byte, error) {
	return a.api().get(ctx, path, accept)
}

func (a API) get(ctx context.Context, path, accept string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+string(a)+path, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", accept)
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, fmt.Errorf("read answer to %s: %w", path, err)
	}
	switch resp.StatusCode {
	case http.StatusOK:
		return body, nil
	case http.StatusNotFound:
		return nil, ErrNotFound
	default:
		return nil, fmt.Errorf("%s answers %s: %.300s", path, resp.Status, body)
	}
}
