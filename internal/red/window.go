package red

import (
	"cmp"
	"encoding/hex"
	"maps"
	"slices"
	"time"
)

// Window is what was received in a time that ends now.
type Window struct {
	From     time.Time `json:"from"`
	To       time.Time `json:"to"`
	Services []Service `json:"services"` // the busiest first
	Edges    []Edge    `json:"edges"`    // likewise
}

// Rates are numbers of spans. Durations are quantiles, good to about a tenth.
type Rates struct {
	Calls     uint64        `json:"calls"`
	Errors    uint64        `json:"errors"`
	PerSecond float64       `json:"per_second"`
	P50       time.Duration `json:"p50_ns"`
	P90       time.Duration `json:"p90_ns"`
	P99       time.Duration `json:"p99_ns"`
	Bytes     uint64        `json:"bytes"`      // of OTLP, received
	KeptSpans uint64        `json:"kept_spans"` // after sampling
	KeptBytes uint64        `json:"kept_bytes"`
}

// Service is a service.name of a tenant. Its rates are of the calls that it
// answers, spans of kind server and consumer; where it has none, of all spans.
// Bytes and what was kept are always of all spans.
type Service struct {
	Tenant string `json:"tenant"`
	Name   string `json:"name"`
	Rates
	Operations []Operation `json:"operations"` // the busiest first
}

// Operation is the spans of a service that have one name and kind.
type Operation struct {
	Name string `json:"name"`
	Kind string `json:"kind"` // SPAN_KIND_SERVER and so on
	Rates
	Examples []OperationExample `json:"examples"` // of spans that were kept, the newest first
}

// OperationExample is a span that was kept.
type OperationExample struct {
	Trace    string        `json:"trace_id"` // 32 hexadecimal digits
	Span     string        `json:"span_id,omitempty"`
	Duration time.Duration `json:"duration_ns"`
	Time     time.Time     `json:"time"` // when it ended
	Error    bool          `json:"error"`
}

// Edge is calls of one service by another. Client and server are also what a
// span of one side alone calls the other, or "user".
type Edge struct {
	Tenant string `json:"tenant"`
	Client string `json:"client"`
	Server string `json:"server"`
	// connection_type: "", messaging_system, database or virtual_node
	Type      string        `json:"type"`
	Calls     uint64        `json:"calls"`
	Failed    uint64        `json:"failed"`
	PerSecond float64       `json:"per_second"`
	ClientP50 time.Duration `json:"client_p50_ns"`
	ClientP90 time.Duration `json:"client_p90_ns"`
	ClientP99 time.Duration `json:"client_p99_ns"`
	ServerP50 time.Duration `json:"server_p50_ns"`
	ServerP90 time.Duration `json:"server_p90_ns"`
	ServerP99 time.Duration `json:"server_p99_ns"`
	// Examples are of traces that were kept, the newest first. They name no span,
	// and their times are those when the second side came.
	Examples []OperationExample `json:"examples"`
}

// Window is what was received in the last time, a day at most. It begins where a
// slot does, up to five minutes earlier within the last hour and up to an hour
// before that; From says where. It is for people: it adds up every series.
func (m *Meter) Window(last time.Duration) Window {
	m.saving.Lock() // no slot ends meanwhile
	defer m.saving.Unlock()
	now := m.now()
	from := now - int64(min(last, 24*time.Hour)/time.Second)
	w := Window{From: time.Unix(m.day.began, 0), To: time.Unix(now, 0)}
	sum := newSums()
	for _, s := range m.day.slots {
		if s.to <= from {
			continue
		}
		w.From = minTime(w.From, time.Unix(s.from, 0))
		sum.add(s.text)
	}
	snap := m.snapshot()
	for i := range snap.series {
		at := &snap.series[i]
		at.totals.since(&at.value.base)
		sum.addSeries(at.id, &at.totals)
	}
	for i := range snap.edges {
		at := &snap.edges[i]
		at.edgeTotals.since(&at.base)
		sum.addEdge(at.edge.id, &at.edgeTotals)
	}
	w.add(m, sum, snap)
	return w
}

func minTime(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

type operationKey struct {
	tenant, service, name string
	kind                  uint8
}

type operationSum struct {
	totals
	errors   uint64
	examples []OperationExample
}

func (w *Window) add(m *Meter, sum *sums, snap *snapshot) {
	seconds := max(1, w.To.Sub(w.From).Seconds())
	operations := map[operationKey]*operationSum{}
	for i := range snap.series {
		s := snap.series[i].series
		t := sum.series[s.id]
		calls := t.latency.Count()
		if calls == 0 {
			continue
		}
		k := operationKey{s.key.tenant, s.key.service, s.key.name, s.key.kind}
		o := operations[k]
		if o == nil {
			o = new(operationSum)
			operations[k] = o
		}
		o.add(t)
		failed := s.key.status == errorStatus
		if failed {
			o.errors += calls
		}
		for _, e := range s.value.examples.list(m.verdict, w.From.Unix()) {
			o.examples = append(o.examples, OperationExample{hex.EncodeToString(e.Trace[:]), hex.EncodeToString(e.Span[:]), e.Duration, e.Time, failed})
		}
	}
	w.addServices(operations, seconds)
	w.Edges = []Edge{}
	for i := range snap.edges {
		e := snap.edges[i].edge
		t := sum.edges[e.id]
		calls := t.serverTime.Count()
		if calls == 0 {
			continue
		}
		w.Edges = append(w.Edges, Edge{
			Tenant: e.tenant, Client: e.client, Server: e.server, Type: connectionTypes[e.key.kind], Calls: calls, Failed: t.failed, PerSecond: float64(calls) / seconds,
			ClientP50: t.clientTime.Quantile(0.5), ClientP90: t.clientTime.Quantile(0.9), ClientP99: t.clientTime.Quantile(0.99),
			ServerP50: t.serverTime.Quantile(0.5), ServerP90: t.serverTime.Quantile(0.9), ServerP99: t.serverTime.Quantile(0.99),
			Examples: e.callExamples(m.verdict, w.From.Unix()),
		})
	}
	slices.SortFunc(w.Edges, func(a, b Edge) int {
		return cmp.Or(cmp.Compare(b.Calls, a.Calls), cmp.Compare(a.Client, b.Client), cmp.Compare(a.Server, b.Server), cmp.Compare(a.Type, b.Type), cmp.Compare(a.Tenant, b.Tenant))
	})
}

// callExamples are those since a time.
func (e *edge) callExamples(verdict Verdict, since int64) []OperationExample {
	out := []OperationExample{}
	for outcome := range e.examples {
		for _, x := range e.examples[outcome].list(verdict, since) {
			out = append(out, OperationExample{Trace: hex.EncodeToString(x.Trace[:]), Duration: x.Duration, Time: x.Time, Error: outcome == 1})
		}
	}
	slices.SortFunc(out, func(a, b OperationExample) int { return b.Time.Compare(a.Time) })
	return out
}

type serviceSum struct {
	all, entry          totals
	errors, entryErrors uint64
	operations          []Operation
}

func (w *Window) addServices(operations map[operationKey]*operationSum, seconds float64) {
	type serviceKey struct{ tenant, name string }
	services := map[serviceKey]*serviceSum{}
	for k, o := range operations {
		s := services[serviceKey{k.tenant, k.service}]
		if s == nil {
			s = new(serviceSum)
			services[serviceKey{k.tenant, k.service}] = s
		}
		s.all.add(&o.totals)
		s.errors += o.errors
		if k.kind == serverKind || k.kind == consumerKind {
			s.entry.add(&o.totals)
			s.entryErrors += o.errors
		}
		slices.SortFunc(o.examples, func(a, b OperationExample) int { return b.Time.Compare(a.Time) })
		s.operations = append(s.operations, Operation{Name: k.name, Kind: kindNames[k.kind], Rates: ratesOf(&o.totals, o.errors, seconds), Examples: o.examples})
	}
	w.Services = []Service{}
	for _, k := range slices.SortedFunc(maps.Keys(services), func(a, b serviceKey) int { return cmp.Or(cmp.Compare(a.name, b.name), cmp.Compare(a.tenant, b.tenant)) }) {
		s := services[k]
		calls, errors := &s.entry, s.entryErrors
		if s.entry.latency.Count() == 0 {
			calls, errors = &s.all, s.errors
		}
		r := ratesOf(calls, errors, seconds)
		r.Bytes, r.KeptSpans, r.KeptBytes = s.all.bytes, s.all.kept, s.all.keptBytes
		slices.SortFunc(s.operations, func(a, b Operation) int {
			return cmp.Or(cmp.Compare(b.Calls, a.Calls), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Kind, b.Kind))
		})
		w.Services = append(w.Services, Service{Tenant: k.tenant, Name: k.name, Rates: r, Operations: s.operations})
	}
	slices.SortStableFunc(w.Services, func(a, b Service) int { return cmp.Compare(b.Calls, a.Calls) })
}

func ratesOf(t *totals, errors uint64, seconds float64) Rates {
	calls := t.latency.Count()
	return Rates{
		Calls: calls, Errors: errors, PerSecond: float64(calls) / seconds,
		P50: t.latency.Quantile(0.5), P90: t.latency.Quantile(0.9), P99: t.latency.Quantile(0.99),
		Bytes: t.bytes, KeptSpans: t.kept, KeptBytes: t.keptBytes,
	}
}
