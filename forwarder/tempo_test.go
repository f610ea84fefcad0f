package forwarder

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"

	"appliance/internal/spool"
)

// id tells a span from others.
type id struct {
	Trace [16]byte
	Span  [8]byte
	Kind  int32
}

// numbered is the span with a number.
func numbered(n int) id {
	s := id{Kind: int32(1 + n%5)}
	binary.BigEndian.PutUint64(s.Trace[8:], uint64(n/3)+1)
	binary.BigEndian.PutUint64(s.Span[:], uint64(n)+1)
	return s
}

// upTo lists the spans from the one with number first on.
func upTo(first, n int) []id {
	list := make([]id, n)
	for i := range list {
		list[i] = numbered(first + i)
	}
	return list
}

// payload is a request with spans, some of them in a resource of their own.
func payload(spans []id) []byte {
	traces := ptrace.NewTraces()
	var in ptrace.SpanSlice
	for i, s := range spans {
		if i%7 == 0 {
			rs := traces.ResourceSpans().AppendEmpty()
			rs.Resource().Attributes().PutStr("service.name", "shop")
			in = rs.ScopeSpans().AppendEmpty().Spans()
		}
		sp := in.AppendEmpty()
		sp.SetTraceID(s.Trace)
		sp.SetSpanID(s.Span)
		sp.SetKind(ptrace.SpanKind(s.Kind))
		sp.SetName("work")
	}
	out, err := ptraceotlp.NewExportRequestFromTraces(traces).MarshalProto()
	if err != nil {
		panic(err)
	}
	return out
}

// spansOf reads a request with another decoder than the forwarder's.
func spansOf(body []byte) ([]id, error) {
	req := ptraceotlp.NewExportRequest()
	if err := req.UnmarshalProto(body); err != nil {
		return nil, err
	}
	var list []id
	for _, rs := range req.Traces().ResourceSpans().All() {
		for _, ss := range rs.ScopeSpans().All() {
			for _, s := range ss.Spans().All() {
				list = append(list, id{s.TraceID(), s.SpanID(), int32(s.Kind())})
			}
		}
	}
	return list, nil
}

// request is one that the Tempo of a test got.
type request struct {
	tenant string
	spans  []id
	at     time.Time
}

// tempo is a Tempo that can be made to answer anything.
type tempo struct {
	t *testing.T
	*httptest.Server

	mu      sync.Mutex
	sender  *Forwarder
	process string
	// nil, or true to take the request
	answer   func(w http.ResponseWriter, r *http.Request, got request) bool
	requests []request
	taken    map[string][]id // since the process started, by tenant
	discards map[string]map[string]int64
	charged  map[string]int // tenant/reason
}

// newTempo also lets the test run beside others: most of their time is waiting.
func newTempo(t *testing.T) *tempo {
	t.Parallel()
	k := &tempo{
		t: t, process: "1", taken: map[string][]id{}, discards: map[string]map[string]int64{}, charged: map[string]int{},
	}
	k.Server = httptest.NewServer(k)
	t.Cleanup(k.Server.Close)
	return k
}

func (k *tempo) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // it broke off
	}
	spans, err := spansOf(body)
	if err != nil {
		k.t.Errorf("the forwarder sent no OTLP: %v", err)
	}
	got := request{r.Header.Get("X-Scope-OrgID"), spans, time.Now()}
	k.mu.Lock()
	k.requests = append(k.requests, got)
	answer := k.answer
	k.mu.Unlock()
	w.Header().Set("Content-Type", "application/x-protobuf")
	if answer != nil && !answer(w, r, got) {
		return
	}
	k.take(got.tenant, spans)
}

func (k *tempo) take(tenant string, spans []id) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.taken[tenant] = append(k.taken[tenant], spans...)
}

// idle waits until the forwarder has entered what it was answered.
func (k *tempo) idle() {
	k.t.Helper()
	k.mu.Lock()
	f := k.sender
	k.mu.Unlock()
	if f == nil {
		return
	}
	eventually(k.t, "no request is in flight", func() bool {
		f.lanes.mu.Lock()
		defer f.lanes.mu.Unlock()
		return f.lanes.idle()
	})
}

// end is the end of the process with all that it held.
func (k *tempo) end() {
	k.idle()
	k.mu.Lock()
	defer k.mu.Unlock()
	clear(k.taken)
	k.process += "'"
}

func (k *tempo) answering(answer func(w http.ResponseWriter, r *http.Request, got request) bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.answer = answer
}

func (k *tempo) target() (Target, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return Target{URL: k.URL + "/v1/traces", Process: k.process}, nil
}

// discard counts spans as Tempo does for which it answers 200.
func (k *tempo) discard(tenant, reason string, n int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.discards[tenant] == nil {
		k.discards[tenant] = map[string]int64{}
	}
	k.discards[tenant][reason] += int64(n)
}

func (k *tempo) ask(context.Context) (Said, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	said := Said{Started: 1, Discarded: map[string]map[string]int64{}}
	for tenant, counts := range k.discards {
		said.Discarded[tenant] = maps.Clone(counts)
	}
	return said, nil
}

func (k *tempo) discarded(tenant, reason string, n int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.charged[tenant+"/"+reason] += n
}

func (k *tempo) charges() map[string]int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return maps.Clone(k.charged)
}

// got lists the requests so far.
func (k *tempo) got() []request {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Clone(k.requests)
}

// times counts how often each span was received.
func (k *tempo) times() map[id]int {
	n := map[id]int{}
	for _, r := range k.got() {
		for _, s := range r.spans {
			n[s]++
		}
	}
	return n
}

func eventually(t testing.TB, what string, done func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(time.Minute)
	for !done() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("it took too long: %s", what)
		}
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func openSpool(t testing.TB, dir string) *spool.Spool {
	t.Helper()
	s, err := spool.Open(dir, spool.Options{MaxBytes: 64 << 20, SegmentBytes: 1 << 20, NoSpare: true, CheckpointEvery: -1})
	must(t, err)
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func keep(t testing.TB, s *spool.Spool, tenant string, spans ...id) spool.Position {
	t.Helper()
	pos, err := s.Append(spool.Record{Tenant: tenant, Spans: len(spans), Time: time.Now(), Payload: payload(spans)})
	must(t, err)
	return pos
}

// options are those of most tests: all is quick.
func (k *tempo) options(s *spool.Spool) Options {
	return Options{
		Spool: s, Target: k.target, Discarded: k.discarded,
		Settle: 20 * time.Millisecond, timeout: 5 * time.Second, linger: 10 * time.Millisecond, every: 2 * time.Millisecond,
	}
}

// holding are those of a test in which nothing settles.
func (k *tempo) holding(s *spool.Spool) Options {
	o := k.options(s)
	o.Settle = time.Hour
	return o
}

// start runs a forwarder until the test ends, or stop is called.
func (k *tempo) start(o Options) (f *Forwarder, stop func()) {
	f = New(o)
	f.pause = 20 * time.Millisecond
	f.firstAnswer = time.Minute
	return f, k.run(f)
}

func (k *tempo) run(f *Forwarder) (stop func()) {
	t := k.t
	t.Helper()
	k.mu.Lock()
	k.sender = f
	k.mu.Unlock()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- f.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("Run: %v", err)
			}
		case <-time.After(time.Minute):
			t.Error("Run does not end")
		}
	})
	t.Cleanup(stop)
	return stop
}

// empty waits until nothing is pending.
func empty(t *testing.T, s *spool.Spool) {
	t.Helper()
	eventually(t, "the spool gets empty", func() bool { return s.Status().Pending.Records == 0 })
}

// gets waits until Tempo got n spans in all.
func (k *tempo) gets(n int) {
	k.t.Helper()
	eventually(k.t, fmt.Sprintf("tempo gets %d spans", n), func() bool {
		total := 0
		for _, r := range k.got() {
			total += len(r.spans)
		}
		return total >= n
	})
}

// idle says that nothing is in flight. q.mu is held.
func (q *lanes) idle() bool {
	for _, l := range q.tenants {
		if l.doubting || l.inFlight > 0 {
			return false
		}
	}
	return true
}
