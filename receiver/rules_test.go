package receiver

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"appliance/internal/spool"
)

// What rules drop is neither kept nor sampled out, and accounted for; over HTTP
// and gRPC, in protobuf and JSON.
func TestRulesAtTheDoor(t *testing.T) {
	const drop, edit = `drop span where span.http.request.method = GET and resource.service.name = checkout`, `drop attribute url.path`
	named := spanWith(goodTrace, goodSpan, field(5, []byte("kept")), field(9, append(field(1, []byte("url.path")), field(2, field(1, []byte("/secret-path")))...)))
	r := start(t, Config{Rules: []string{drop, edit}})
	for _, x := range []exchange{
		{name: "dropped", body: protobufOf(t, 3), want: 200},
		{name: "in json", header: map[string]string{"Content-Type": jsonType}, body: jsonOf(t, 3), want: 200},
		{name: "in gzip", header: map[string]string{"Content-Encoding": "gzip"}, body: gz(t, append(bytes.Clone(named), protobufOf(t, 3)...)), want: 200, kept: 1},
		{name: "invalid ones too", body: append(spanWith(goodSpan), append(bytes.Clone(named), protobufOf(t, 3)...)...), want: 200, kept: 1, rejected: 1},
		{name: "malformed", body: protobufOf(t, 3)[:50], want: 400},
		{name: "too deep", body: withAttribute(nestedValue(50)), want: 400},
		{name: "millions of empty spans", body: field(1, field(2, bytes.Repeat([]byte{0x12, 0x00}, 2_000_000))), want: 413},
		{name: "exactly the limit", body: padded(t, 16<<20), want: 200, kept: 1},
	} {
		t.Run(x.name, func(t *testing.T) { x.run(t, r) })
	}
	call{body: framed(0, append(bytes.Clone(named), protobufOf(t, 3)...)), kept: 1}.run(t, r)
	s := r.Stats()
	if s.RuledOut[drop] != 5*3 || s.RuledOut[edit] != 0 || s.RuleEdits[edit] != 3 || len(s.RuledOut) != 2 {
		t.Errorf("ruled out %v, edited %v", s.RuledOut, s.RuleEdits)
	}
	for _, b := range r.sink.kept() {
		if bytes.Contains(b.Payload, []byte("/secret-path")) {
			t.Error("what a rule drops is kept")
		}
	}
}

// Of a request that is answered otherwise than 200 nothing is counted, since it comes again.
func TestRulesCountOnceARequest(t *testing.T) {
	tries := 0
	sink := &memorySink{}
	r := startWith(t, Config{Rules: []string{`drop span where name = "GET /api/v1/products/{id}"`}}, &everyNth{n: 1}, sink)
	body := append(protobufOf(t, 3), spanWith(goodTrace, goodSpan)...)
	exchange{body: append(bytes.Clone(body), 0xff), want: 400}.run(t, r)
	exchange{body: body, want: 200, kept: 1}.run(t, r)
	for _, n := range r.Stats().RuledOut {
		tries += int(n)
	}
	if tries != 3 {
		t.Errorf("ruled out %d spans, want 3", tries)
	}
}

func TestRulesThatAreWrong(t *testing.T) {
	_, err := New(usual(Config{Rules: []string{"preset secrets", "drop everything"}}), &everyNth{n: 1}, &memorySink{}, discardLog)
	if err == nil || !strings.Contains(err.Error(), "rule 2, drop everything") {
		t.Error(err)
	}
}

// spoolSink keeps batches as the appliance does: a synced spool.
type spoolSink struct{ *spool.Spool }

func (s spoolSink) Ready() error { return nil }

func (s spoolSink) Keep(_ context.Context, b Batch) error {
	_, err := s.Append(spool.Record{Tenant: b.Tenant, Spans: b.Spans, Time: time.Now(), Payload: b.Payload})
	return err
}

// BenchmarkRules states what rules cost in the whole receiving path, from HTTP of
// another process to the synced spool: the CPU time of requests with and without
// them, as a share of the time without. Turns are short, and what they are compared
// with is beside them: whatever else runs on the machine makes both dearer.
func BenchmarkRules(b *testing.B) {
	const turn = 4 // requests
	s, err := spool.Open(b.TempDir(), spool.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	loaded := func(rules ...string) (*load, func()) {
		r, err := New(usual(Config{Listen: "127.0.0.1:0", Rules: rules}), tenPercent{}, spoolSink{s}, discardLog)
		if err != nil {
			b.Fatal(err)
		}
		stop := serving(b, r)
		l := startLoad(b, r.Addr().String())
		return l, func() { l.stop(b); stop() }
	}
	plain, stop := loaded()
	defer stop()
	misses := []string{"drop attribute thread.name", "hash attribute enduser.id", "hash attribute source.address", "cut attribute db.query.text to 500",
		"cut attribute exception.stacktrace to 4000", "drop attribute process.command_line", "drop attribute url.query", "drop attribute client.address"}
	const agent = "drop attribute user_agent.original"
	for _, x := range []struct {
		name  string
		rules []string
	}{
		{"ten by key, none hits", append([]string{"drop attribute host.ip", "drop attribute http.request.header.x-a"}, misses...)},
		{"ten by key, two drop", append([]string{agent, "drop attribute server.address"}, misses...)},
		{"ten by key, one drops, one hashes 16 values", append([]string{agent, "hash attribute network.peer.address"}, misses...)},
		{"ten by key, one drops, one hashes 512 values", append([]string{agent, "hash attribute url.path"}, misses...)},
		{"secrets", []string{"preset secrets"}},
		{"traefik", []string{"preset traefik"}},
	} {
		b.Run(x.name, func(b *testing.B) {
			ruled, stop := loaded(x.rules...)
			defer stop()
			spend := func(l *load) time.Duration {
				before := cpuTime(b)
				l.send(b, turn)
				return cpuTime(b) - before
			}
			var shares, path []float64
			for b.Loop() {
				first, second := spend(plain), spend(ruled)
				third, fourth := spend(ruled), spend(plain)
				without := float64(first + fourth)
				shares = append(shares, 100*(float64(second+third)/without-1))
				path = append(path, without/(2*turn*loadSpans))
			}
			b.ReportMetric(median(shares), "%path")
			b.ReportMetric(median(path), "path-ns/span")
		})
	}
}

func median(all []float64) float64 {
	slices.Sort(all)
	return all[len(all)/2]
}
