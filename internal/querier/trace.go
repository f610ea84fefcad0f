package querier

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/grafana/tempo/pkg/tempopb"
	trace "github.com/grafana/tempo/pkg/tempopb/trace/v1"
	"golang.org/x/sync/errgroup"

	"appliance/internal/block"
	"appliance/internal/otlpwire"
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
		r.budget.memory = q.opt.TraceMemory
		start, end := bounds(req.Range)
		r.units = slices.DeleteFunc(slices.Clone(r.units), func(u *unit) bool {
			return !u.within(start, end)
		})
		// What was read before the time or the memory was over is in the answer.
		parts, err := r.parts(ctx, req.ID)
		found, broken := combine(parts)
		answer.Trace = found
		return cmp.Or(err, broken)
	})
	if err != nil {
		return nil, err
	}
	answer.Missing = missing
	return answer, nil
}

// partsIn reads what units have of a trace, in their order. Those that are far
// away are asked at the same time, beside the others. keep takes the memory of a
// part, and returns what of it is kept: with an error, this is the last one. With an
// error come the parts that were read before.
func (r *run) partsIn(
	ctx context.Context, id traceID, units []*unit, fields *block.Fields, keep func([]byte) ([]byte, error),
) ([][]byte, error) {
	out := make([][]byte, len(units))
	var mu sync.Mutex // of keep
	g, ctx := errgroup.WithContext(ctx)
	read := func(i int) error {
		var data []byte
		err := r.guard(units[i].name, func() (err error) { data, err = units[i].trace(ctx, id, fields, nil); return err })
		if err != nil {
			if r.lose(ctx, units[i], err) {
				return nil
			}
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		out[i], err = keep(data)
		return err
	}
	far, near := make(chan int, len(units)), make([]int, 0, len(units))
	for i, u := range units {
		if u.far() {
			far <- i
		} else {
			near = append(near, i)
		}
	}
	close(far)
	for range min(probes, len(far)) {
		g.Go(func() error {
			for i := range far {
				if err := read(i); err != nil {
					return err
				}
			}
			return nil
		})
	}
	for _, i := range near {
		if err := read(i); err != nil {
			g.Go(func() error { return err }) // ends the others
			break
		}
	}
	var err error
	r.q.low.Wait(func() { err = g.Wait() })
	return out, err
}

// traceBytes is about how much memory a trace takes by its bytes until it is
// written: as it is read, as messages, and as what is made of them.
const traceBytes = 6

// parts reads a trace from wherever it is: the blocks in their order, and the
// spans that are in none, which are read first since they are near. With an error
// come the parts that were read before.
func (r *run) parts(ctx context.Context, id traceID) ([][]byte, error) {
	live, err := r.liveParts(ctx, id)
	if err != nil {
		return live, err
	}
	out, err := r.partsIn(ctx, id, r.units, nil, r.keepPart)
	return append(out, live...), err
}

// keepPart takes the memory of a part of a trace, and with an error that of as many
// of its spans as there is room for.
func (r *run) keepPart(data []byte) ([]byte, error) {
	err := r.hold(traceBytes * int64(len(data)))
	if err == nil {
		return data, nil
	}
	room := (r.budget.memory - r.budget.held.Load()) / traceBytes
	for bytes := room; bytes > room/64; bytes /= 2 { // resources and scopes come on top
		some := firstSpans(data, bytes)
		if len(some) > 0 && r.hold(traceBytes*int64(len(some))) == nil {
			return some, err
		}
	}
	return nil, err
}

// firstSpans are spans of so many bytes, or none where data is not OTLP.
func firstSpans(data []byte, bytes int64) []byte {
	limits := &otlpwire.Limits{MaxDepth: otlpwire.StoredDepth}
	some, _, err := limits.Filter(nil, data, func(s *otlpwire.Span) otlpwire.Verdict {
		bytes -= int64(s.Bytes)
		return otlpwire.Verdict{Keep: bytes >= 0}
	})
	if err != nil {
		return nil
	}
	return some
}

// recordsAtOnce is how many records are read before what they have of a trace is
// counted.
const recordsAtOnce = 16

func (r *run) liveParts(ctx context.Context, id traceID) (out [][]byte, err error) {
	if r.view == nil {
		return nil, nil
	}
	for _, part := range r.view.Live {
		for from, end := 0, part.Size().Records; from < end; from += recordsAtOnce {
			data, _, err := part.TraceIn(ctx, id, from, from+recordsAtOnce, nil)
			if err != nil {
				if ctx.Err() != nil {
					return out, err
				}
				r.loseRecord(err)
			}
			kept, err := r.keepPart(data)
			if len(kept) > 0 {
				out = append(out, kept)
			}
			if err != nil {
				return out, err
			}
		}
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
