package tempo

import (
	"context"
	"slices"
	"sync"

	"appliance/internal/readapi"
	"appliance/internal/traceql"
)

// Search merges the traces that both find, the newest first. It calls found with
// what each of both finds, as soon as it does, merged with what the other found.
func (b *both) Search(
	ctx context.Context, r readapi.SearchRequest, found readapi.Found,
) (*readapi.SearchAnswer, error) {
	asking, cancel := context.WithCancel(ctx)
	defer cancel()
	m := &foundMerger{request: r, found: found, end: cancel}
	sources := &both{noting{b.remote, m, 0}, noting{b.archived, m, 1}}
	got, err := askBoth(asking, r, sources, func(
		e readapi.Engine, ctx context.Context, r readapi.SearchRequest,
	) (*readapi.SearchAnswer, error) {
		return e.Search(ctx, r, nil)
	})
	if m.err != nil {
		return nil, m.err
	}
	if err != nil {
		return nil, err
	}
	return &readapi.SearchAnswer{
		Traces:  m.newest(),
		Missing: got.missing(func(a *readapi.SearchAnswer) readapi.Missing { return a.Missing }),
	}, nil
}

// noting is one of both. What a search finds there goes to a merger.
type noting struct {
	readapi.Engine
	merger *foundMerger
	source int
}

// Search ignores found.
func (n noting) Search(
	ctx context.Context, r readapi.SearchRequest, _ readapi.Found,
) (*readapi.SearchAnswer, error) {
	add := func(traces []*traceql.FoundTrace) error { return n.merger.add(n.source, traces) }
	answer, err := n.Engine.Search(ctx, r, add)
	if err != nil {
		return nil, err
	}
	return answer, add(answer.Traces)
}

// foundMerger puts the traces of two searches together.
type foundMerger struct {
	request readapi.SearchRequest
	found   readapi.Found
	end     func() // the search

	mu     sync.Mutex
	traces map[[16]byte]*[2]*traceql.FoundTrace // as each source has them
	err    error                                // of found
}

// add takes what a source found, in place of what it said of these traces
// before, and passes on those that are among the newest.
func (m *foundMerger) add(source int, traces []*traceql.FoundTrace) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.err != nil {
		return m.err
	}
	if m.traces == nil {
		m.traces = map[[16]byte]*[2]*traceql.FoundTrace{}
	}
	changed := map[[16]byte]bool{}
	for _, t := range traces {
		known := m.traces[t.ID]
		if known == nil {
			known = &[2]*traceql.FoundTrace{}
			m.traces[t.ID] = known
		}
		changed[t.ID] = known[source] == nil || !equalFound(known[source], t)
		known[source] = t
	}
	if m.found == nil {
		return nil
	}
	var news []*traceql.FoundTrace
	for _, t := range m.newest() {
		if changed[t.ID] {
			news = append(news, t)
		}
	}
	if len(news) == 0 {
		return nil
	}
	if m.err = m.found(news); m.err != nil {
		m.end()
	}
	return m.err
}

// newest are the traces so far up to the limit, the newest first.
func (m *foundMerger) newest() []*traceql.FoundTrace {
	all := make([]*traceql.FoundTrace, 0, len(m.traces))
	for _, t := range m.traces {
		all = append(all, mergeFound(t[0], t[1], m.request.SpansPerSet))
	}
	slices.SortFunc(all, newestFirst)
	kept := all[:min(len(all), m.request.Limit)]
	// A trace gets older when the other source has earlier spans of it, so some
	// that are not among the newest now are kept.
	if spare := 4 * m.request.Limit; len(all) > spare {
		for _, t := range all[spare/2:] {
			delete(m.traces, t.ID)
		}
	}
	return kept
}
