package main

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

//go:embed collector-tail.yaml
var tailCollectorConfig []byte

const tailRules = `[{name: health, when: "{ name = \"GET /ping\" }", keep: none}, {name: errors, when: "{ status = error }", keep: all}, ` +
	`{name: slow, when: "{ traceDuration > 2s }", keep: all}, {name: rest, keep: 0.05}]`

// tailOptions are those of `bench tail`.
type tailOptions struct {
	options
	spans int
	wait  time.Duration
}

// compareTail sends the same traces to both with the same rules, looks at their
// memory while all spans are undecided, at what they keep, and at the CPU time
// of all of it; then it kills both while spans are undecided.
func compareTail(ctx context.Context, args []string) error {
	var o tailOptions
	flags := flag.NewFlagSet("bench tail", flag.ContinueOnError)
	flags.StringVar(&o.appliance, "appliance", "../.cache/appliance", "the appliance's binary")
	flags.StringVar(&o.collector, "collector", "../.cache/peers/bin/otelcol", "the Collector's binary")
	flags.IntVar(&o.spans, "spans", 1_000_000, "spans that are undecided at once")
	flags.DurationVar(&o.wait, "wait", time.Minute, "decision_wait of both; sending must take less")
	if err := flags.Parse(args); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "bench-tail-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	sink := newTailSink()
	defer sink.Close()
	w := tabwriter.NewWriter(os.Stdout, 2, 8, 2, ' ', 0)
	fmt.Fprintln(w, "\tspans\tsent in\tbytes for an undecided span\tpeak\tspans per CPU-second\tkept traces")
	var errs []error
	runs := map[string]*tailRun{}
	for _, name := range []string{appliance, collector} {
		r, err := o.play(ctx, sink, name, filepath.Join(dir, name), false)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		runs[name] = r
		fmt.Fprintf(w, "%s\t%d\t%.1f s\t%.0f\t%.0f MiB\t%.0f\t%d\n", name, o.spans, r.sending.Seconds(),
			float64(r.memory)/float64(o.spans), float64(r.peak)/(1<<20), float64(o.spans)/r.cpu.Seconds(), len(r.kept))
		if err := r.judge(); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", name, err))
		}
	}
	_ = w.Flush()
	a, c := runs[appliance], runs[collector]
	fmt.Printf("memory %.1f %% of the Collector's, %.1f times its spans per CPU-second\n", 100*float64(a.memory)/float64(c.memory), c.cpu.Seconds()/a.cpu.Seconds())
	if len(errs) == 0 {
		fmt.Println("both keep all failed and slow traces, whole, and none of the health checks; which 5 % of the rest, each chooses by a hash of its own")
	}
	o.spans /= 10
	for _, name := range []string{appliance, collector} {
		r, err := o.play(ctx, sink, name, filepath.Join(dir, name+"-killed"), true)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		fmt.Printf("%s, killed while %d spans were undecided: %d of %d traces that must be kept are lost\n", name, o.spans, r.lost(), len(r.must))
		if name == appliance && r.lost() > 0 {
			errs = append(errs, errors.New("the appliance lost traces"))
		}
	}
	return errors.Join(errs...)
}

// tailRun is one server's turn.
type tailRun struct {
	sending      time.Duration
	memory, peak int64 // bytes more than before, and in all
	cpu          time.Duration
	must, never  map[pcommon.TraceID]bool
	rest         int
	kept         map[pcommon.TraceID]int // spans
}

func (r *tailRun) lost() (n int) {
	for id := range r.must {
		if r.kept[id] != spansPerTrace {
			n++
		}
	}
	return n
}

// judge compares what was kept with the rules.
func (r *tailRun) judge() error {
	if n := r.lost(); n > 0 {
		return fmt.Errorf("%d of %d traces that must be kept are not there as a whole", n, len(r.must))
	}
	rest := 0
	for id := range r.kept {
		if r.never[id] {
			return fmt.Errorf("trace %s is kept, and must not be", id)
		}
		if !r.must[id] {
			rest++
		}
	}
	if share := float64(rest) / float64(r.rest); share < 0.04 || share > 0.06 {
		return fmt.Errorf("%.1f %% of the rest are kept, not 5", 100*share)
	}
	return nil
}

// play gives a server its turn: all spans within the wait, and then time to decide.
func (o *tailOptions) play(ctx context.Context, sink *tailSink, name, dir string, kill bool) (*tailRun, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	sink.reset(name)
	addr, err := freePort()
	if err != nil {
		return nil, err
	}
	p, err := o.startTail(ctx, sink, name, dir, addr)
	if err != nil {
		return nil, err
	}
	defer func() { _ = p.stop() }()
	r := &tailRun{must: map[pcommon.TraceID]bool{}, never: map[pcommon.TraceID]bool{}}
	if err := p.forgetPeak(); err != nil {
		return nil, err
	}
	before, err := p.peakMemory()
	if err != nil {
		return nil, err
	}
	began, used := time.Now(), time.Duration(0)
	if used, err = p.cpu(); err != nil {
		return nil, err
	}
	if err := r.send(ctx, "http://"+addr+"/v1/traces", o.spans); err != nil {
		return nil, err
	}
	if r.sending = time.Since(began); r.sending > o.wait*8/10 {
		return nil, fmt.Errorf("sending took %s; raise -wait, so that nothing is decided before all was sent", r.sending.Round(time.Second))
	}
	if r.peak, err = p.peakMemory(); err != nil {
		return nil, err
	}
	r.memory = r.peak - before
	if kill {
		if err := p.cmd.Process.Kill(); err != nil {
			return nil, err
		}
		<-p.ended
		if addr, err = freePort(); err != nil {
			return nil, err
		}
		if p, err = o.startTail(ctx, sink, name, dir, addr); err != nil {
			return nil, err
		}
	}
	if err := sleep(ctx, o.wait+5*time.Second); err != nil {
		return nil, err
	}
	if r.kept, err = sink.settled(ctx); err != nil {
		return nil, err
	}
	if now, err := p.cpu(); err == nil {
		r.cpu = now - used
	}
	return r, nil
}

func (o *tailOptions) startTail(ctx context.Context, sink *tailSink, name, dir, addr string) (*process, error) {
	read, err := freePort()
	if err != nil {
		return nil, err
	}
	var p *process
	if name == collector {
		config := filepath.Join(dir, "collector.yaml")
		if err := os.WriteFile(config, tailCollectorConfig, 0o600); err != nil {
			return nil, err
		}
		p, err = startProcess(name, dir, []string{"BENCH_LISTEN=" + addr, "BENCH_BACKEND=" + sink.URL + "/" + name, "BENCH_WAIT=" + o.wait.String()}, o.collector, "--config", config)
	} else {
		p, err = startProcess(name, dir, []string{
			"APPLIANCE_DATA_DIR=" + filepath.Join(dir, "data"), "APPLIANCE_RECEIVER_LISTEN=" + addr, "APPLIANCE_HTTP_LISTEN=" + read,
			"APPLIANCE_TAIL_RULES=" + tailRules, "APPLIANCE_TAIL_DECISION_WAIT=" + o.wait.String(),
			"APPLIANCE_FORWARDER_TEMPO_URL=" + sink.URL + "/" + name, "APPLIANCE_FORWARDER_SETTLE=5s", "APPLIANCE_FORWARDER_DRAIN_DEADLINE=0s",
			"APPLIANCE_FORWARDER_TRACE_IDLE=0s", "APPLIANCE_LOG_FORMAT=json", "APPLIANCE_LOG_LEVEL=warn",
		}, o.appliance, "serve")
	}
	if err != nil {
		return nil, err
	}
	return p, p.waitFor(ctx, addr)
}

// send sends traces over four connections. Of a hundred two fail, two are slow
// and ten are health checks.
func (r *tailRun) send(ctx context.Context, url string, spans int) error {
	const each, clients = 512, 4
	bodies := make(chan []byte, clients)
	errs := make(chan error, clients)
	client := &http.Client{Timeout: time.Minute}
	for range clients {
		go func() {
			var failed error
			for body := range bodies {
				if failed == nil {
					failed = post(ctx, client, url, body)
				}
			}
			errs <- failed
		}()
	}
	rng := rand.New(rand.NewPCG(1, 2))
	var failed error
	for sent := 0; sent < spans && failed == nil; sent += each {
		td := makeTraces(rng, each)
		r.shape(td, rng)
		var body []byte
		if body, failed = (&ptrace.ProtoMarshaler{}).MarshalTraces(td); failed == nil {
			bodies <- body
		}
	}
	close(bodies)
	for range clients {
		failed = errors.Join(failed, <-errs)
	}
	return failed
}

// shape decides what traces are, on their last spans.
func (r *tailRun) shape(td ptrace.Traces, rng *rand.Rand) {
	spans := td.ResourceSpans().At(0).ScopeSpans().At(0).Spans()
	for i := spansPerTrace - 1; i < spans.Len(); i += spansPerTrace {
		s := spans.At(i)
		switch n := rng.IntN(100); {
		case n < 2:
			s.Status().SetCode(ptrace.StatusCodeError)
			r.must[s.TraceID()] = true
		case n < 4:
			s.SetEndTimestamp(s.EndTimestamp() + 3e9)
			r.must[s.TraceID()] = true
		case n < 14:
			s.SetName("GET /ping")
			r.never[s.TraceID()] = true
		default:
			r.rest++
		}
	}
}

func post(ctx context.Context, client *http.Client, url string, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", typeProtobuf)
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", url, resp.Status)
	}
	return nil
}

// tailSink takes what is kept, and counts the spans of each trace.
type tailSink struct {
	*httptest.Server
	mu   sync.Mutex
	name string
	got  map[pcommon.TraceID]map[pcommon.SpanID]bool
	last time.Time
}

func newTailSink() *tailSink {
	s := &tailSink{}
	s.Server = httptest.NewServer(http.HandlerFunc(s.take))
	return s
}

func (s *tailSink) reset(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.name, s.got, s.last = name, map[pcommon.TraceID]map[pcommon.SpanID]bool{}, time.Now()
}

func (s *tailSink) take(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	td, failed := (&ptrace.ProtoUnmarshaler{}).UnmarshalTraces(body)
	if err = errors.Join(err, failed); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	if strings.HasPrefix(r.URL.Path, "/"+s.name) {
		s.last = time.Now()
		for _, rs := range td.ResourceSpans().All() {
			for _, ss := range rs.ScopeSpans().All() {
				for _, span := range ss.Spans().All() {
					if s.got[span.TraceID()] == nil {
						s.got[span.TraceID()] = map[pcommon.SpanID]bool{}
					}
					s.got[span.TraceID()][span.SpanID()] = true
				}
			}
		}
	}
	s.mu.Unlock()
	w.Header().Set("Content-Type", typeProtobuf)
}

// settled waits until nothing came for some time.
func (s *tailSink) settled(ctx context.Context) (map[pcommon.TraceID]int, error) {
	const quiet = 5 * time.Second
	for {
		s.mu.Lock()
		rest := quiet - time.Since(s.last)
		kept := make(map[pcommon.TraceID]int, len(s.got))
		for id, spans := range s.got {
			kept[id] = len(spans)
		}
		s.mu.Unlock()
		if rest <= 0 {
			return kept, nil
		}
		if err := sleep(ctx, rest); err != nil {
			return nil, err
		}
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
