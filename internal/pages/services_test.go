package pages

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"
)

// known is Services that knows what a test says.
type known struct {
	asked  ServicesQuery
	answer ServicesAnswer
}

func (k *known) Services(_ context.Context, q ServicesQuery) (*ServicesAnswer, error) {
	k.asked = q
	return &k.answer, nil
}

func TestServices(t *testing.T) {
	k := &known{answer: ServicesAnswer{
		Source: "All spans that were received, before sampling.",
		Operations: []Operation{
			{Service: "web", Name: "GET /", Kind: "server", Figures: Figures{Calls: 3600, Errors: 36, P50: 10 * ms, P90: 90 * ms, P99: time.Second}},
			{Service: "shop", Name: "pay", Kind: "client", Figures: Figures{Calls: 7200, Examples: [][16]byte{{15: 1}, {15: 2}, {15: 3}, {15: 4}}}},
		},
		Edges: []Edge{
			{Client: "web", Server: "shop", Figures: Figures{Calls: 100, Errors: 1}}, {Client: "shop", Server: "db", Kind: "database", Figures: Figures{Calls: 5}},
			{Client: "db", Server: "web", Figures: Figures{Calls: 1}}, {Client: "web", Server: "web", Figures: Figures{Calls: 1}},
		},
		Overflow: 12345, Missing: []string{"the last second"},
	}}
	w := newWorld(t, func(o *Options) { o.Services = k; o.Tenants = []string{"a", "b"} })
	body := w.page(200, "/services?tenant=b&range=1h")
	if d := k.asked.To.Sub(k.asked.From); k.asked.Tenant != "b" || d != time.Hour {
		t.Errorf("asked %+v", k.asked)
	}
	says(t, body, "All spans that were received", "1 1 % 10 ms 90 ms 1 s", "2 0 % – – –", "12,345 calls are of operations beyond", "the last second", "db database")
	if i, j := strings.Index(body, ">pay<"), strings.Index(body, ">GET /<"); i < 0 || j < i {
		t.Error("the most called does not come first")
	}
	for _, want := range []string{"/trace/00000000000000000000000000000001?tenant=b", "status=error", "tenant=b", "web calls shop: 100, 1 % with errors"} {
		if !strings.Contains(body, want) {
			t.Errorf("%q is not on the page", want)
		}
	}
	if strings.Contains(body, "00000000000000000000000000000004") {
		t.Error("there are more examples than are shown")
	}
	only := w.page(200, "/services?tenant=b&service=shop")
	if strings.Contains(only, "GET /") || k.asked.Service != "shop" {
		t.Error("other services are on the page of one")
	}
	// The rate is that of the time which was counted.
	k.answer.From = time.Unix(1_800_003_000, 0)
	says(t, w.page(200, "/services?start=1800000000&end=1800003600"),
		"08:50:00 to 2027-01-15 09:00:00", "6 1 % 10 ms", "12 0 %")
	w.page(400, "/services?range=30d")
	w.page(400, "/services?range=all")
}

// Without figures of what was received, they are those of what is stored.
func TestStoredServices(t *testing.T) {
	w := newWorld(t, nil)
	for i := range 10 {
		spans := checkout(byte(i+1), 100*ms)
		spans[2].failed = i == 0
		spans[0].state, spans[1].state, spans[2].state = "ot=th:8", "ot=th:8", "ot=th:8"
		w.keep(began(), spans...)
	}
	answer, err := stored{w.pages.Engine}.Services(t.Context(), ServicesQuery{Tenant: "single-tenant", From: began().Add(-time.Hour), To: time.Now()})
	must(t, err)
	if len(answer.Operations) != 3 || len(answer.Missing) != 0 {
		t.Fatalf("%+v", answer)
	}
	for _, o := range answer.Operations {
		if o.Calls != 20 {
			t.Errorf("%s: %v calls, want 20: each span counts for two", o.Name, o.Calls)
		}
		if o.Service == "payments" && (o.Errors != 2 || o.P50 < 80*ms || o.P50 > 140*ms) {
			t.Errorf("%+v", o)
		}
	}
	got := map[string]float64{}
	for _, e := range answer.Edges {
		got[e.Client+">"+e.Server] = e.Calls
		if e.Server == "payments" && e.Errors != 1 {
			t.Errorf("%+v", e)
		}
	}
	if fmt.Sprint(got) != "map[shop>payments:10 web>shop:10]" {
		t.Errorf("edges %v", got)
	}
	says(t, w.page(200, "/services"), "Computed of the spans that are stored", "checkout", "payments")
}

func TestColumns(t *testing.T) {
	for name, c := range map[string]struct {
		n     int
		links []mapLink
		want  string
	}{
		"a chain":          {3, []mapLink{{from: 1, to: 2}, {from: 0, to: 1}}, "[0 1 2]"},
		"the longest way":  {3, []mapLink{{from: 0, to: 2}, {from: 0, to: 1}, {from: 1, to: 2}}, "[0 1 2]"},
		"a circle":         {3, []mapLink{{from: 0, to: 1}, {from: 1, to: 2}, {from: 2, to: 0}}, "[0 1 2]"},
		"circle after one": {3, []mapLink{{from: 2, to: 0}, {from: 0, to: 1}, {from: 1, to: 0}}, "[1 2 0]"},
		"itself":           {1, []mapLink{{from: 0, to: 0}}, "[0]"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := fmt.Sprint(columnsOf(c.n, c.links)); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
}

func TestMapHasABound(t *testing.T) {
	var edges []Edge
	for i := range 500 {
		edges = append(edges, Edge{Client: fmt.Sprint("a", i), Server: fmt.Sprint("b", i), Figures: Figures{Calls: 1}})
	}
	m := drawMap(edges, func(string) string { return "/" })
	if len(m.Nodes) != maxNodes || m.More != 1000-maxNodes {
		t.Errorf("%d nodes, %d more", len(m.Nodes), m.More)
	}
}
