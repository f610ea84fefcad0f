package querier

import (
	"context"
	"fmt"
	"slices"

	"github.com/grafana/tempo/pkg/tempopb"
	trace "github.com/grafana/tempo/pkg/tempopb/trace/v1"
	"golang.org/x/sync/errgroup"

	"appliance/internal/block"
	"appliance/internal/readapi"
	"appliance/internal/spancopy"
)

// probes is how many units are asked for a trace at once. Where they are far
// away, most of the time is spent waiting.
const probes = 16

// Trace implements readapi.Engine.
func (q *Querier) Trace(ctx context.Context, req readapi.TraceRequest) (*readapi.TraceAnswer, error) {
	answer := &readapi.TraceAnswer{}
	missing, err := q.ask(ctx, req.Tenant, func(ctx context.Context, r *run) error {
		start, end := bounds(req.Range)
		r.units = slices.DeleteFunc(slices.Clone(r.units), func(u *unit) bool {
			return !u.within(start, end)
		})
		parts, err := r.parts(ctx, req.ID)
		answer.Trace = nil
		if err != nil {
			return err
		}
		answer.Trace, err = combine(parts)
		return err
	})
	if err != nil {
		return nil, err
	}
	answer.Missing = missing
	return answer, nil
}

// partsIn reads what units have of a trace, in their order. Those that are far
// away are asked at the same time.
func (r *run) partsIn(ctx context.Context, id traceID, units []*unit, fields *block.Fields) ([][]byte, error) {
	out := make([][]byte, len(units))
	read := func(ctx context.Context, i int) error {
		err := r.guard(units[i].name, func() (err error) { out[i], err = units[i].trace(ctx, id, fields, nil); return err })
		if err != nil && r.lose(ctx, units[i], err) {
			out[i], err = nil, nil
		}
		return err
	}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(probes)
	var err error
	for i, u := range units {
		if p, ok := u.place.(*blockPlace); ok && p.archived != nil {
			g.Go(func() error { return read(gctx, i) })
		} else if err = read(ctx, i); err != nil {
			break
		}
	}
	if waited := g.Wait(); err == nil {
		err = waited
	}
	return out, err
}

// parts reads a trace from wherever it is: the blocks in their order, and the
// spans that are in none.
func (r *run) parts(ctx context.Context, id traceID) ([][]byte, error) {
	out, err := r.partsIn(ctx, id, r.units, nil)
	if err != nil {
		return nil, err
	}
	for _, data := range out {
		if err := r.hold(int64(len(data))); err != nil {
			return nil, err
		}
	}
	if r.view == nil {
		return out, nil
	}
	for _, part := range r.view.Live {
		data, _, err := part.Trace(ctx, id, nil)
		if err != nil {
			if ctx.Err() != nil {
				return nil, err
			}
			r.loseRecord(err)
		}
		out = append(out, data)
	}
	return out, nil
}

// combine makes one trace of its parts, without copies. It is nil without a span.
func combine(parts [][]byte) (*tempopb.Trace, error) {
	tr := &tempopb.Trace{}
	n := 0
	for _, data := range parts {
		if len(data) == 0 {
			continue
		}
		part := &tempopb.Trace{}
		if err := part.Unmarshal(data); err != nil {
			return nil, fmt.Errorf("read a trace: %w", err)
		}
		tr.ResourceSpans = append(tr.ResourceSpans, part.ResourceSpans...)
		n++
	}
	if n == 0 {
		return nil, nil
	}
	return tr, dropCopies(tr)
}

// dropCopies leaves out spans that are there twice. Keys are made only of those
// whose id is.
func dropCopies(tr *tempopb.Trace) error {
	ids := map[string]int{}
	again := false
	for _, rs := range tr.ResourceSpans {
		for _, ss := range rs.ScopeSpans {
			for _, s := range ss.Spans {
				ids[string(s.SpanId)]++
				again = again || ids[string(s.SpanId)] > 1
			}
		}
	}
	if !again {
		return nil
	}
	seen := map[string]bool{}
	for _, rs := range tr.ResourceSpans {
		for _, ss := range rs.ScopeSpans {
			kept := make([]*trace.Span, 0, len(ss.Spans))
			for _, s := range ss.Spans {
				if ids[string(s.SpanId)] > 1 {
					key, err := copyKey(s, ss, rs)
					if err != nil {
						return err
					}
					if seen[key] {
						continue
					}
					seen[key] = true
				}
				kept = append(kept, s)
			}
			ss.Spans = kept
		}
	}
	dropEmpty(tr)
	return nil
}

func copyKey(s *trace.Span, ss *trace.ScopeSpans, rs *trace.ResourceSpans) (string, error) {
	span, err := s.Marshal()
	if err != nil {
		return "", err
	}
	var scope, resource []byte
	if ss.Scope != nil {
		if scope, err = ss.Scope.Marshal(); err != nil {
			return "", err
		}
	}
	if rs.Resource != nil {
		if resource, err = rs.Resource.Marshal(); err != nil {
			return "", err
		}
	}
	return string(spancopy.AppendKey(nil, span, scope, resource)), nil
}

// dropEmpty leaves out what has no spans.
func dropEmpty(tr *tempopb.Trace) {
	resources := tr.ResourceSpans[:0]
	for _, rs := range tr.ResourceSpans {
		scopes := rs.ScopeSpans[:0]
		for _, ss := range rs.ScopeSpans {
			if len(ss.Spans) > 0 {
				scopes = append(scopes, ss)
			}
		}
		if rs.ScopeSpans = scopes; len(scopes) > 0 {
			resources = append(resources, rs)
		}
	}
	tr.ResourceSpans = resources
}
