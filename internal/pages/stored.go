package pages

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	"appliance/internal/readapi"
	"appliance/internal/traceql"
	"appliance/internal/tracetree"
)

const (
	// storedPatience bounds what figures of stored spans take.
	storedPatience = 12 * time.Second
	// mapTraces is of how many traces the map is made.
	mapTraces = 60
)

// stored computes the figures of services from stored spans.
type stored struct{ engine readapi.Engine }

// StoredServices computes the figures from what an engine finds.
func StoredServices(engine readapi.Engine) Services { return stored{engine} }

// source says what the figures are computed of.
func (stored) source() string {
	return fmt.Sprintf("Computed of the spans that are stored, after sampling: a span that was kept at 10 %% counts "+
		"for ten. Who calls whom is taken from the newest %d traces.", mapTraces)
}

// Services implements Services.
func (s stored) Services(ctx context.Context, q ServicesQuery) (*ServicesAnswer, error) {
	ctx, cancel := context.WithTimeout(ctx, storedPatience)
	defer cancel()
	out := &ServicesAnswer{Source: s.source()}
	filter, failing := "{ }", "{ status = error }"
	if q.Service != "" {
		service := "resource.service.name = " + strconv.Quote(q.Service)
		filter, failing = "{ "+service+" }", "{ "+service+" && status = error }"
	}
	const by = " by (resource.service.name, name) with (extrapolate=true)"
	var calls, errs, times *readapi.MetricsAnswer
	var missing []string
	g, gctx := errgroup.WithContext(ctx)
	for _, ask := range []struct {
		query string
		into  **readapi.MetricsAnswer
	}{
		{filter + " | count_over_time()" + by, &calls},
		{failing + " | count_over_time()" + by, &errs},
		{filter + " | quantile_over_time(duration, .5, .9, .99)" + by, &times},
	} {
		g.Go(func() (err error) {
			*ask.into, err = s.metrics(gctx, q, ask.query)
			return err
		})
	}
	g.Go(func() (err error) {
		out.Edges, missing, err = s.edges(gctx, q)
		return err
	})
	if err := g.Wait(); err != nil {
		return nil, err
	}
	out.Missing = joinMissing(calls.Missing, errs.Missing, times.Missing, missing)
	out.Operations = operations(calls, errs, times)
	return out, nil
}

func (s stored) metrics(ctx context.Context, q ServicesQuery, text string) (*readapi.MetricsAnswer, error) {
	query, err := traceql.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("compute figures of services: %w", err)
	}
	return s.engine.Metrics(ctx, readapi.MetricsRequest{
		Tenant: q.Tenant, Query: query, Start: q.From.UnixNano(), End: q.To.UnixNano(),
	})
}

func operations(calls, errs, times *readapi.MetricsAnswer) []Operation {
	index := map[operation]*Operation{}
	var order []operation
	each := func(a *readapi.MetricsAnswer, take func(o *Operation, value float64, quantile string)) {
		for _, series := range a.Series {
			var key operation
			quantile := ""
			for _, label := range series.Labels {
				switch label.Name {
				case "resource.service.name":
					key.service = label.Value.String()
				case "name":
					key.name = label.Value.String()
				case "p":
					quantile = label.Value.String()
				}
			}
			o := index[key]
			if o == nil {
				o = &Operation{Service: key.service, Name: key.name}
				index[key] = o
				order = append(order, key)
			}
			for _, sample := range series.Samples {
				take(o, sample.Value, quantile)
			}
		}
	}
	each(calls, func(o *Operation, v float64, _ string) { o.Calls += v })
	each(errs, func(o *Operation, v float64, _ string) { o.Errors += v })
	each(times, func(o *Operation, v float64, quantile string) {
		d := time.Duration(v * float64(time.Second))
		switch quantile {
		case "0.5":
			o.P50 = d
		case "0.9":
			o.P90 = d
		case "0.99":
			o.P99 = d
		}
	})
	out := make([]Operation, 0, len(order))
	for _, key := range order {
		out = append(out, *index[key])
	}
	return out
}

// edges are the calls between services in the newest traces.
func (s stored) edges(ctx context.Context, q ServicesQuery) ([]Edge, []string, error) {
	req := readapi.SearchRequest{
		Tenant: q.Tenant, Limit: mapTraces, SpansPerSet: 1,
		Range: readapi.Range{Start: uint32(q.From.Unix()), End: uint32(q.To.Unix())},
	}
	if q.Service != "" {
		query, err := traceql.Parse("{ resource.service.name = " + strconv.Quote(q.Service) + " }")
		if err != nil {
			return nil, nil, fmt.Errorf("look for traces of a service: %w", err)
		}
		req.Query = query
	}
	found, err := s.engine.Search(ctx, req, nil)
	if err != nil {
		return nil, nil, err
	}
	missing := []string(found.Missing)
	type pair struct{ client, server string }
	sums := map[pair]*Edge{}
	for _, f := range found.Traces {
		if len(f.Services) < 2 && f.Services != nil {
			continue
		}
		answer, err := s.engine.Trace(ctx, readapi.TraceRequest{Tenant: q.Tenant, ID: f.ID})
		if err != nil {
			return nil, nil, err
		}
		missing = append(missing, answer.Missing...)
		for _, n := range tracetree.Grow(answer.Trace).Lines() {
			if n.Parent == nil || n.Parent.Service == n.Service {
				continue
			}
			key := pair{n.Parent.Service, n.Service}
			e := sums[key]
			if e == nil {
				e = &Edge{Client: key.client, Server: key.server}
				sums[key] = e
			}
			e.Calls++
			if n.Failed() {
				e.Errors++
			}
			if len(e.Examples) < maxExamples && (len(e.Examples) == 0 || e.Examples[len(e.Examples)-1] != f.ID) {
				e.Examples = append(e.Examples, f.ID)
			}
		}
	}
	out := make([]Edge, 0, len(sums))
	for _, e := range sums {
		out = append(out, *e)
	}
	return out, missing, nil
}
