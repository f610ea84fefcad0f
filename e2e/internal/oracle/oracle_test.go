package oracle

import (
	"compress/gzip"
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/grafana/tempo/pkg/tempopb"
	trace "github.com/grafana/tempo/pkg/tempopb/trace/v1"

	"appliance/e2e/internal/harness"
)

// perfect keeps everything, in memory.
type perfect struct {
	mu     sync.Mutex
	traces map[string]*tempopb.Trace
	refuse func(request int) bool
	seen   int
}

func (p *perfect) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body := io.Reader(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		body = z
	}
	text, err := io.ReadAll(body)
	request := tempopb.Trace{} // an export request has the same fields
	if err == nil {
		err = request.Unmarshal(text)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.seen++
	if p.refuse != nil && p.refuse(p.seen) {
		http.Error(w, "later", http.StatusServiceUnavailable)
		return
	}
	for _, rs := range request.ResourceSpans {
		id := hex.EncodeToString(rs.ScopeSpans[0].Spans[0].TraceId)
		if p.traces[id] == nil {
			p.traces[id] = &tempopb.Trace{}
		}
		p.traces[id].ResourceSpans = append(p.traces[id].ResourceSpans, rs)
	}
}

func (p *perfect) read(_ context.Context, id string) (*tempopb.Trace, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.traces[id] == nil {
		return nil, harness.ErrNotFound
	}
	return p.traces[id], nil
}

// scopes lists where spans are.
func (p *perfect) scopes() (all []*trace.ScopeSpans) {
	for _, t := range p.traces {
		for _, rs := range t.ResourceSpans {
			all = append(all, rs.ScopeSpans...)
		}
	}
	return all
}

// The oracle sees each kind of fault, and none where there is none.
func TestJudge(t *testing.T) {
	for _, c := range []struct {
		name  string
		spoil func(*perfect)
		want  func(Verdict) bool
	}{
		{"nothing", func(*perfect) {}, func(v Verdict) bool {
			return v.Clean() && v.Duplicated == 0 && v.Found == v.Acked && v.Found > 0 && v.Extra == 0
		}},
		{"a span is gone", func(p *perfect) {
			s := p.scopes()[0]
			s.Spans = s.Spans[1:]
		}, func(v Verdict) bool { return v.Missing == 1 && v.Corrupted+v.Invented+v.Duplicated == 0 }},
		{"a trace is gone", func(p *perfect) {
			for id := range p.traces {
				delete(p.traces, id)
				break
			}
		}, func(v Verdict) bool { return v.Missing > 0 && v.Found+v.Missing == v.Acked }},
		{"a time is another", func(p *perfect) { p.scopes()[1].Spans[0].EndTimeUnixNano++ }, corrupted},
		{"a name is another", func(p *perfect) { p.scopes()[1].Spans[0].Name += "." }, corrupted},
		{"an attribute is gone", func(p *perfect) {
			s := p.scopes()[2].Spans[0]
			s.Attributes = s.Attributes[1:]
		}, corrupted},
		{"an attribute is another", func(p *perfect) {
			a := p.scopes()[2].Spans[0].Attributes
			a[2].Value = a[0].Value
		}, corrupted},
		{"a trace has another service", func(p *perfect) {
			for _, tr := range p.traces {
				tr.ResourceSpans[0].ScopeSpans[0].Spans = tr.ResourceSpans[0].ScopeSpans[0].Spans[:1]
				tr.ResourceSpans = tr.ResourceSpans[:1]
				tr.ResourceSpans[0].Resource.Attributes[0].Value = nil
				break
			}
		}, func(v Verdict) bool { return v.Corrupted == 1 && v.Invented+v.Duplicated == 0 }},
		{"a span comes twice", func(p *perfect) {
			s := p.scopes()[0]
			s.Spans = append(s.Spans, s.Spans[0])
		}, func(v Verdict) bool { return v.Duplicated == 1 && v.Clean() }},
		{"a span nobody sent", func(p *perfect) {
			s := p.scopes()[0]
			s.Spans = append(s.Spans, &trace.Span{TraceId: s.Spans[0].TraceId, SpanId: []byte("nobody's")})
		}, func(v Verdict) bool { return v.Invented == 1 && v.Missing+v.Corrupted == 0 }},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := &perfect{traces: map[string]*tempopb.Trace{}}
			o := sent(t, p)
			c.spoil(p)
			v, err := o.Judge(t.Context(), p.read, 0, 0)
			if err != nil || !c.want(v) {
				t.Errorf("%v: %s; %s", err, v, strings.Join(v.Examples, "; "))
			}
		})
	}
}

func corrupted(v Verdict) bool { return v.Corrupted == 1 && v.Missing+v.Invented+v.Duplicated == 0 }

// What was refused is not missed, what was refused first and taken later is.
func TestRefusals(t *testing.T) {
	p := &perfect{traces: map[string]*tempopb.Trace{}, refuse: func(n int) bool { return n%3 == 0 }}
	o := sent(t, p)
	c := o.Counts()
	if c.Answers[http.StatusServiceUnavailable] == 0 || c.Acked >= c.Sent || c.Tried <= c.Sent || len(c.Wrong) > 0 {
		t.Errorf("counts %+v", c)
	}
	v, err := o.Judge(t.Context(), p.read, 0, 0)
	if err != nil || !v.Clean() || v.Acked != c.Acked {
		t.Errorf("%v: %s, %d acknowledged", err, v, c.Acked)
	}
	p.traces = nil
	if v, err = o.Judge(t.Context(), p.read, 0, 0); err != nil || v.Missing != c.Acked {
		t.Errorf("%v: %s when all is gone, %d acknowledged", err, v, c.Acked)
	}
}

// What is answered beyond a power cut does not count.
func TestFreeze(t *testing.T) {
	p := &perfect{traces: map[string]*tempopb.Trace{}}
	o := sent(t, p)
	before := o.Counts()
	o.Freeze()
	load(t, o, p)
	if after := o.Counts(); after.Acked != before.Acked || after.Sent <= before.Sent {
		t.Errorf("counts %+v, frozen %+v", before, after)
	}
	o.Thaw()
	load(t, o, p)
	if o.Counts().Acked <= before.Acked {
		t.Errorf("nothing counts after Thaw: %+v", o.Counts())
	}
}

// sent is an oracle that has sent some hundred requests to p.
func sent(t *testing.T, p *perfect) *Oracle {
	t.Helper()
	o := New(t, 100)
	server := httptest.NewServer(p)
	t.Cleanup(server.Close)
	o.Target(server.URL)
	load(t, o, p)
	return o
}

func load(t *testing.T, o *Oracle, p *perfect) {
	t.Helper()
	p.mu.Lock()
	enough := p.seen + 100
	p.mu.Unlock()
	l := o.Start(Shape{Clients: 4, MaxBatch: 200})
	harness.Eventually(t, 10*time.Second, "requests", func() error {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.seen < enough {
			return fmt.Errorf("%d so far", p.seen)
		}
		return nil
	})
	l.Stop()
}

// TestRepeated tells a span that a store has twice from one that a client sent
// twice, and from one that another directory has too.
func TestRepeated(t *testing.T) {
	o := New(t, 0)
	rec := record{acked: []bool{true, true, true}, request: []uint32{1, 2, 1}}
	f := &finding{trace: 1, seenIn: make([]uint32, 3), inStore: 2}
	for source, spans := range [][]uint32{{0, 1}, {0, 1}, {0, 2}} { // the third is elsewhere
		for _, i := range spans {
			f.see(&o.f, source, o.f.span(place{1, i}))
		}
	}
	f.conclude(rec)
	f.judgeRepeated(rec, map[uint32]int{2: 1})
	if f.copies != 3 || f.duplicated != 1 || f.missing != 0 || len(f.examples) != 1 {
		t.Errorf("%+v", f)
	}
}
