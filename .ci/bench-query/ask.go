package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// query is one kind of request.
type query struct {
	name, path string
	params     [][2]string
}

// queries are what is measured.
var queries = []query{
	{name: "trace by id", path: "/api/traces/"},
	search("{ status = error }"),
	search("{ status = error } with (most_recent = true)"), // what the appliance answers anyway
	search("{ span.customer.id = 12345 }"),
	search(`{ span.url.path =~ "/api/v2/orders/.*777" }`),
	search(`{ resource.service.name = "service-01" && status = error } >> { resource.service.name = "service-02" }`),
	metric("{ } | rate() by (resource.service.name)"),
	metric("{ kind = server } | quantile_over_time(duration, .5, .9, .99)"),
	{name: "values of span.user_agent.original", path: "/api/v2/search/tag/span.user_agent.original/values"},
}

// chosen are those whose name has a text in it.
func chosen(only string) (list []*query) {
	for i := range queries {
		if strings.Contains(queries[i].name, only) {
			list = append(list, &queries[i])
		}
	}
	return list
}

func names() (list []string) {
	for _, q := range queries {
		list = append(list, q.name)
	}
	return list
}

func search(q string) query {
	return query{q, "/api/search", [][2]string{{"q", q}, {"limit", "20"}, {"spss", "3"}}}
}

func metric(q string) query {
	return query{q, "/api/metrics/query_range", [][2]string{{"q", q}, {"step", "10s"}}}
}

// cost is what one request took.
type cost struct {
	cpu, wall time.Duration
	answer    float64 // a number that both have to find
}

// ask sends the n-th request of a kind.
func (s *server) ask(ctx context.Context, q *query, b *madeBlock, n int) (cost, error) {
	target, params := s.url+q.path, url.Values{}
	if q.params == nil && strings.HasPrefix(q.path, "/api/traces") {
		target += b.ids[n%len(b.ids)]
	} else {
		params.Set("start", strconv.FormatInt(b.start, 10))
		params.Set("end", strconv.FormatInt(b.end, 10))
	}
	for _, p := range q.params {
		params.Set(p[0], p[1])
	}
	before, err := s.cpu()
	if err != nil {
		return cost{}, err
	}
	begin := time.Now()
	body, err := get(ctx, target+"?"+params.Encode())
	if err != nil {
		return cost{}, fmt.Errorf("%s: %w", q.name, err)
	}
	wall := time.Since(begin)
	after, err := s.cpu()
	if err != nil {
		return cost{}, err
	}
	found, err := measure(body)
	if err != nil {
		return cost{}, fmt.Errorf("%s: %w", q.name, err)
	}
	return cost{after - before, wall, found}, nil
}

func get(ctx context.Context, target string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("the answer is %s: %.200s", resp.Status, body)
	}
	return body, err
}

// measure makes a number of an answer that is equal for equal answers: how many
// spans a trace has, how many traces or values were found, the sum of all samples.
func measure(body []byte) (float64, error) {
	var answer struct {
		Batches []struct {
			ScopeSpans []struct{ Spans []json.RawMessage }
		}
		Traces    []json.RawMessage
		TagValues []json.RawMessage
		Series    []struct {
			Samples []struct{ Value float64 }
		}
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return 0, err
	}
	n := float64(len(answer.Traces) + len(answer.TagValues))
	for _, b := range answer.Batches {
		for _, ss := range b.ScopeSpans {
			n += float64(len(ss.Spans))
		}
	}
	for _, s := range answer.Series {
		for _, sample := range s.Samples {
			n += sample.Value
		}
	}
	return math.Round(n*1e6) / 1e6, nil
}
