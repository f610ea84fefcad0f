package red

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"appliance/internal/otlpwire"
)

// edgesOf says each edge as "client -> server type: calls, failed".
func edgesOf(m *Meter) (out []string) {
	view(m).Edges(func(e *EdgeSeries) {
		out = append(out, fmt.Sprintf("%s -> %s %s: %d, %d", e.Client, e.Server, e.Type, e.ServerTime.Count(), e.Failed))
	})
	slices.Sort(out)
	return out
}

// TestGraph holds edges against a graph that is known: sides that come together,
// one before the other, in one request or several, and sides that stay alone.
func TestGraph(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := open(t, nil)
		r := rand.New(rand.NewPCG(5, 6))
		var spans []*otlpwire.Span
		for n := range uint64(1000) {
			root := span("gateway", "GET", serverKind, n, 1, 0)
			call := span("gateway", "GET", clientKind, n, 2, 1)
			// which sends spans itself, so that it has its own name
			call.ServerAddress = []byte("shop.example")
			served := span("shop", "GET", serverKind, n, 3, 2)
			send := span("shop", "orders send", producerKind, n, 4, 3)
			receive := span("mail", "orders receive", consumerKind, n, 5, 4)
			inner := span("shop", "render", 1, n, 6, 3)
			spans = append(spans, root, call, served, send, receive, inner)
			if n < 10 {
				served.StatusCode = errorStatus
			}
			if n < 20 {
				call.StatusCode = errorStatus
			}
			query := span("shop", "SELECT", clientKind, n, 7, 3)
			query.DBSystem = []byte("postgresql")
			pay := span("shop", "POST", clientKind, n, 8, 3)
			pay.PeerService, pay.ServerAddress = []byte("payments"), []byte("10.0.0.1")
			other := span("shop", "GET", clientKind, n, 9, 3)
			other.ServerAddress = []byte("api.example")
			nameless := span("shop", "GET", clientKind, n, 10, 3)
			orphan := span("shop", "GET", serverKind, n, 11, 12)
			spans = append(spans, query, pay, other, nameless, orphan)
		}
		r.Shuffle(len(spans), func(i, j int) { spans[i], spans[j] = spans[j], spans[i] })
		for len(spans) > 0 {
			n := min(len(spans), 1+r.IntN(300))
			commit(m, spans[:n]...)
			spans = spans[n:]
		}
		want := []string{
			"gateway -> shop : 1000, 20",
			"shop -> mail messaging_system: 1000, 0",
			"shop -> postgresql database: 1000, 0",
			"user -> gateway virtual_node: 1000, 0",
		}
		if diff := cmp.Diff(want, edgesOf(m)); diff != "" {
			t.Error("before the wait is over:", diff)
		}
		time.Sleep(11 * time.Second)
		m.graph.expire(m.now())
		want = append(want, "shop -> api.example virtual_node: 1000, 0", "shop -> payments virtual_node: 1000, 0")
		slices.Sort(want)
		if diff := cmp.Diff(want, edgesOf(m)); diff != "" {
			t.Error("after the wait is over:", diff)
		}
		if st := m.Status(); st.Unpaired != 2000 || st.Waiting != 0 || st.Dropped != 0 {
			t.Errorf("%d spans are unpaired, %d wait and %d were dropped", st.Unpaired, st.Waiting, st.Dropped)
		}
	})
}

// TestTenantsAreApart pairs nothing of two tenants, though their spans fit.
func TestTenantsAreApart(t *testing.T) {
	m := open(t, nil)
	for tenant, s := range map[string]*otlpwire.Span{"a": span("web", "GET", clientKind, 1, 2, 1), "b": span("shop", "GET", serverKind, 1, 3, 2)} {
		tally := m.Tally(tenant)
		tally.Add(s, false)
		tally.Commit()
	}
	if got := edgesOf(m); len(got) > 0 {
		t.Error("edges between tenants:", got)
	}
}

// TestWaitingIsBounded lets more clients wait than there is room for.
func TestWaitingIsBounded(t *testing.T) {
	m := open(t, nil)
	const spans = 3 * maxWaiting
	for n := uint64(0); n < spans; {
		tally := m.Tally("")
		for range 4096 {
			tally.Add(span("web", "GET", clientKind, n, n+1, 0), false)
			n++
		}
		tally.Commit()
	}
	st := m.Status()
	if st.Waiting > maxWaiting || st.Dropped+uint64(st.Waiting) != spans || st.Unpaired != st.Dropped {
		t.Errorf("of %d spans %d wait, %d were dropped and %d are unpaired", spans, st.Waiting, st.Dropped, st.Unpaired)
	}
	// Fan-out: spans of one key are not looked through, since only one can be paired.
	for range 4 {
		tally := m.Tally("")
		for n := range uint64(10_000) {
			tally.Add(span("shop", "GET", serverKind, 1<<40, n, 5), false)
		}
		tally.Commit()
	}
	// Those that wait still find their other side.
	commit(m, span("shop", "GET", serverKind, spans-1, 1, spans))
	if diff := cmp.Diff([]string{"web -> shop : 1, 0"}, edgesOf(m)); diff != "" {
		t.Error(diff)
	}
}

// TestExamplesOfCalls are of traces of which a side is kept, those that failed
// apart, also where the other side never comes.
func TestExamplesOfCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		verdicts := map[byte]bool{9: false}
		m := open(t, func(o *Options) {
			o.Verdict = func(trace [16]byte) (kept, known bool) {
				kept, known = verdicts[trace[8]]
				return kept, known
			}
		})
		add := func(kept bool, spans ...*otlpwire.Span) {
			tally := m.Tally("")
			for _, s := range spans {
				tally.Add(s, kept)
			}
			tally.Commit()
			time.Sleep(3 * time.Second) // for one is taken in two
		}
		call := func(n uint64, status int32) (client, server *otlpwire.Span) {
			client, server = span("web", "GET", clientKind, n, 1, 7), span("shop", "GET", serverKind, n, 2, 1)
			server.StatusCode, server.EndTime = status, server.StartTime+n*1e6
			return client, server
		}
		for n, kept := range []bool{false, true, true, true, false} { // of trace 0 on
			client, server := call(uint64(n), int32(n%3)) // 2 failed
			verdicts[byte(n)] = true
			add(kept, client)
			add(false, server)
		}
		undecided, other := call(8, 0)
		add(true, undecided, other)
		dropped, other := call(9, 0)
		add(true, dropped, other)
		outside := span("shop", "GET", clientKind, 5, 3, 7)
		outside.PeerService = []byte("payments")
		verdicts[5] = true
		add(true, outside)
		time.Sleep(11 * time.Second)
		m.graph.expire(m.now())

		var got []string
		for _, e := range m.Window(time.Hour).Edges {
			for _, x := range e.Examples {
				got = append(got, fmt.Sprintf("%s -> %s: %s, %v, failed %v", e.Client, e.Server, x.Trace[16:18], x.Duration, x.Error))
			}
		}
		want := []string{
			"web -> shop: 03, 3ms, failed false", "web -> shop: 02, 2ms, failed true", "web -> shop: 01, 1ms, failed false",
			"shop -> payments: 05, 50ms, failed false",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		view(m).Edges(func(e *EdgeSeries) {
			if e.Server == "shop" && len(e.Examples) != 3 {
				t.Errorf("exemplars: %+v", e.Examples)
			}
		})
	})
}

// TestReadingHoldsNobodyUp counts, saves and forgets while somebody is in the
// middle of reading, as a remote write is whose server takes its time.
func TestReadingHoldsNobodyUp(t *testing.T) {
	m := open(t, nil)
	someCalls(m, 10)
	others := func() {
		someCalls(m, 20)
		if err := m.Save(); err != nil {
			t.Error(err)
		}
		m.forget(m.now())
		m.graph.expire(m.now())
	}
	series, edges := 0, 0
	view(m).Series(func(*Series) { series++; others() })
	view(m).Edges(func(*EdgeSeries) { edges++; others() })
	if series == 0 || edges == 0 {
		t.Errorf("%d series and %d edges were read", series, edges)
	}
}
