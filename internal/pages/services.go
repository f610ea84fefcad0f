package pages

import (
	"cmp"
	"context"
	"encoding/hex"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Services knows how services do: rate, errors and latency by operation, and who
// calls whom.
//
// Its method may be called by many goroutines and returns soon after ctx ends;
// then the answer is what there is, with the reason in Missing.
type Services interface {
	Services(ctx context.Context, q ServicesQuery) (*ServicesAnswer, error)
}

// ServicesQuery asks about a time of one tenant.
type ServicesQuery struct {
	Tenant   string
	From, To time.Time // From before To
	Service  string    // only of this one; empty: of all
}

// ServicesAnswer has the figures. The lists may be in any order.
type ServicesAnswer struct {
	// Source says in a sentence what the figures are computed of, such as "All
	// spans that were received, before sampling."
	Source string
	// From is when the figures begin, where that is not as asked.
	From       time.Time
	Operations []Operation
	Edges      []Edge
	// Overflow is how many calls are of operations beyond the limit of series,
	// which are not told apart.
	Overflow float64
	Missing  []string
}

// Figures are those of calls in the time that was asked about. A latency of 0 is
// not known.
type Figures struct {
	Calls, Errors float64
	P50, P90, P99 time.Duration
	Examples      [][16]byte // traces that are kept
}

// Operation is what a service does.
type Operation struct {
	Service, Name, Kind string // Kind is server, client, ...; empty where they are not told apart
	Figures
}

// Edge is one service that calls another, or a database or a queue.
type Edge struct {
	Client, Server string
	Kind           string // empty for a call, else database, messaging, ...
	Figures
}

const (
	maxOperations = 200
	maxExamples   = 3
)

var servicePeriods = periods[:4]

// servicesPage is the figures of services.
type servicesPage struct {
	Periods   []choice
	Tenants   []choice
	Word      string
	Period    string
	Service   string
	Source    string
	Missing   []string
	Overflow  string
	Rows      []figuresRow
	More      int
	Edges     []edgeRow
	MoreEdges int
	Map       *serviceMap
	Permalink string
}

type figuresRow struct {
	Service, Name    text
	Kind             string
	Rate, Calls      string
	Errors           string // share
	Failing          bool
	P50, P90, P99    string
	Link, ErrorsLink string // to a search
	Only             string // the page of this service alone
	Examples         []exampleLink
}

type exampleLink struct{ Text, Href string }

type edgeRow struct {
	Client, Server text
	Kind           string
	figuresRow
}

func (h *Handler) services(w http.ResponseWriter, r *http.Request) error {
	if h.Services == nil {
		return errNoEngine
	}
	q := r.URL.Query()
	p, err := periodOf(q, "1h", time.Now())
	if err != nil {
		return err
	}
	if p.From.IsZero() || p.To.Sub(p.From) > 24*time.Hour {
		return badRequest("ask about up to a day, such as range=24h")
	}
	tenant, shown := h.tenant(r)
	page := &servicesPage{
		Periods: p.choices(servicePeriods), Tenants: h.tenantChoices(shown), Word: p.Word, Service: q.Get("service"),
	}
	answer, err := h.Services.Services(r.Context(), ServicesQuery{Tenant: tenant, From: p.From, To: p.To, Service: page.Service})
	if err != nil {
		return err
	}
	counted := p
	if !answer.From.IsZero() && answer.From.Before(p.To) {
		counted.From = answer.From
	}
	page.Period = counted.words()
	page.fill(answer, p, counted.To.Sub(counted.From).Seconds(), shown)
	p.fix(q)
	page.Permalink = "/services?" + q.Encode()
	return h.render(w, http.StatusOK, "services", layout{Title: "Services", Active: "/services", Tenant: shown, Page: page})
}

// fill shows figures of so many seconds.
func (page *servicesPage) fill(a *ServicesAnswer, p period, seconds float64, tenant string) {
	page.Source, page.Missing = a.Source, a.Missing
	if a.Overflow > 0 {
		page.Overflow = number(a.Overflow)
	}
	operations := slices.DeleteFunc(slices.Clone(a.Operations), func(o Operation) bool {
		return page.Service != "" && o.Service != page.Service
	})
	slices.SortFunc(operations, func(x, y Operation) int {
		return cmp.Or(cmp.Compare(y.Calls, x.Calls), cmp.Compare(x.Service, y.Service), cmp.Compare(x.Name, y.Name), cmp.Compare(x.Kind, y.Kind))
	})
	page.More = max(0, len(operations)-maxOperations)
	for _, o := range operations[:len(operations)-page.More] {
		row := o.row(seconds, tenant)
		row.Service, row.Name, row.Kind = cutTo(60, o.Service), cutTo(maxText, o.Name), o.Kind
		row.link(o, p, tenant)
		page.Rows = append(page.Rows, row)
	}
	edges := slices.DeleteFunc(slices.Clone(a.Edges), func(e Edge) bool {
		return page.Service != "" && e.Client != page.Service && e.Server != page.Service
	})
	slices.SortFunc(edges, func(x, y Edge) int {
		return cmp.Or(cmp.Compare(y.Calls, x.Calls), cmp.Compare(x.Client, y.Client), cmp.Compare(x.Server, y.Server), cmp.Compare(x.Kind, y.Kind))
	})
	page.MoreEdges = max(0, len(edges)-maxOperations)
	edges = edges[:len(edges)-page.MoreEdges]
	for _, e := range edges {
		page.Edges = append(page.Edges, edgeRow{cutTo(60, e.Client), cutTo(60, e.Server), e.Kind, e.row(seconds, tenant)})
	}
	page.Map = drawMap(edges, func(service string) string {
		if len(service) > maxLinked {
			return "/services"
		}
		return "/services?" + withTenant(p.keep(url.Values{"service": {service}}), tenant)
	})
}

// traceLink leads to a trace by its id in hexadecimal.
func traceLink(id, tenant string) string {
	if tenant == "" {
		return "/trace/" + id
	}
	return "/trace/" + id + "?" + withTenant(url.Values{}, tenant)
}

func withTenant(q url.Values, tenant string) string {
	if tenant != "" {
		q.Set("tenant", tenant)
	}
	return q.Encode()
}

func (f Figures) row(seconds float64, tenant string) figuresRow {
	row := figuresRow{Rate: number(f.Calls / seconds), Calls: number(f.Calls), Failing: f.Errors > 0, Errors: "0 %"}
	if f.Calls > 0 {
		row.Errors = digits(100*f.Errors/f.Calls) + " %"
	}
	for _, p := range []struct {
		d  time.Duration
		to *string
	}{{f.P50, &row.P50}, {f.P90, &row.P90}, {f.P99, &row.P99}} {
		if *p.to = "–"; p.d > 0 {
			*p.to = durationText(uint64(p.d))
		}
	}
	for _, id := range f.Examples[:min(len(f.Examples), maxExamples)] {
		text := hex.EncodeToString(id[:])
		row.Examples = append(row.Examples, exampleLink{text[:8], traceLink(text, tenant)})
	}
	return row
}

// maxLinked is how long names may be that stand in a link.
const maxLinked = 500

// link leads to a search and to the figures of the service alone.
func (row *figuresRow) link(o Operation, p period, tenant string) {
	if len(o.Service)+len(o.Name) > maxLinked {
		return
	}
	find := url.Values{"service": {o.Service}, "name": {o.Name}}
	p.fix(find)
	row.Link = "/?" + withTenant(find, tenant)
	find.Set("status", "error")
	row.ErrorsLink = "/?" + find.Encode()
	row.Only = "/services?" + withTenant(p.keep(url.Values{"service": {o.Service}}), tenant)
}

// joinMissing are the reasons of several answers, each once.
func joinMissing(all ...[]string) []string {
	var out []string
	for _, some := range all {
		for _, why := range some {
			if why = strings.TrimSpace(why); why != "" && !slices.Contains(out, why) {
				out = append(out, why)
			}
		}
	}
	return out
}
