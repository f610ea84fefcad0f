package serve

import (
	"context"
	"encoding/hex"
	"strings"
	"time"

	"appliance/internal/pages"
	"appliance/internal/red"
)

// nearNow is how far the end of a time may lie from now so that what was counted
// up to now answers for it. The page asks up to the minute.
const nearNow = 2 * time.Minute

// countedServices answers from what was counted of all received spans; of a time
// that does not end now it asks what is stored.
type countedServices struct {
	meter  *red.Meter
	stored pages.Services // nil: nothing is stored that can be asked
	now    func() time.Time
}

// Services implements pages.Services.
func (c countedServices) Services(ctx context.Context, q pages.ServicesQuery) (*pages.ServicesAnswer, error) {
	now := c.now()
	if c.stored != nil && now.Sub(q.To).Abs() > nearNow {
		return c.stored.Services(ctx, q)
	}
	w := c.meter.Window(now.Sub(q.From))
	out := &pages.ServicesAnswer{Source: "All spans that were received, counted before sampling.", From: w.From}
	for i := range w.Services {
		s := &w.Services[i]
		if s.Tenant != q.Tenant || q.Service != "" && s.Name != q.Service {
			continue
		}
		for _, o := range s.Operations {
			if o.Name == red.Overflow {
				out.Overflow += float64(o.Calls)
				continue
			}
			out.Operations = append(out.Operations, pages.Operation{
				Service: s.Name, Name: o.Name, Kind: strings.ToLower(strings.TrimPrefix(o.Kind, "SPAN_KIND_")),
				Figures: pages.Figures{
					Calls: float64(o.Calls), Errors: float64(o.Errors), P50: o.P50, P90: o.P90, P99: o.P99,
					Examples: exampleTraces(o.Examples),
				},
			})
		}
	}
	for _, e := range w.Edges {
		if e.Tenant != q.Tenant || q.Service != "" && e.Client != q.Service && e.Server != q.Service {
			continue
		}
		out.Edges = append(out.Edges, pages.Edge{
			Client: e.Client, Server: e.Server, Kind: strings.TrimSuffix(e.Type, "_system"),
			Figures: pages.Figures{
				Calls: float64(e.Calls), Errors: float64(e.Failed), P50: e.ServerP50, P90: e.ServerP90, P99: e.ServerP99,
				Examples: exampleTraces(e.Examples),
			},
		})
	}
	return out, nil
}

// exampleTraces are the traces of examples, failed ones first.
func exampleTraces(examples []red.OperationExample) [][16]byte {
	var failed, others [][16]byte
	for _, e := range examples {
		var id [16]byte
		if _, err := hex.Decode(id[:], []byte(e.Trace)); err != nil {
			continue
		}
		if e.Error {
			failed = append(failed, id)
		} else {
			others = append(others, id)
		}
	}
	return append(failed, others...)
}
