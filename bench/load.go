package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
)

// outcome is what a load generator saw.
type outcome struct {
	Requests  int64
	Spans     int64            // of the requests answered 200
	Bad       map[string]int64 // anything but a 200 that took all spans
	Seconds   float64
	Latencies []time.Duration // from the time a request was due
	Taken     []int64         `json:",omitempty"` // unique requests of which all spans were taken
}

// outstanding bounds the requests under way at a fixed rate; beyond, the server
// is not keeping up and the run says so.
const outstanding = 256

// generateLoad sends the requests of a file: each once, or as fast as some
// connections go, or at a fixed rate.
func generateLoad(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("load", flag.ContinueOnError)
	url := flags.String("url", "", "where to send to")
	file := flags.String("requests", "", "file with requests")
	unique := flags.Int64("unique", -1, "instead of a file: send requests of unique spans, from this one on")
	once := flags.Bool("once", false, "send each request once")
	clients := flags.Int("clients", 8, "connections")
	rate := flags.Float64("rate", 0, "requests a second; 0: as fast as the connections go")
	duration := flags.Duration("for", time.Second, "for how long")
	if err := flags.Parse(args); err != nil {
		return err
	}
	g, err := chooseGenerator(*url, *file, *unique, *clients)
	if err != nil {
		return err
	}
	started := time.Now()
	switch {
	case *once:
		g.sendOnce(ctx, *clients)
	case *rate > 0:
		g.sendAtRate(ctx, *rate, *duration)
	default:
		g.sendFast(ctx, *clients, *duration)
	}
	g.result.Seconds = time.Since(started).Seconds()
	slices.Sort(g.result.Latencies)
	return json.NewEncoder(out).Encode(g.result)
}

type generator struct {
	url  string
	r    requests
	all  []*http.Client // by turns
	next atomic.Int64
	// body is the nth request; it may be written over dst.
	body func(dst []byte, n int64) []byte
	pool sync.Pool // of bodies

	mu     sync.Mutex
	result outcome
}

func newGenerator(url string, r requests, clients int) *generator {
	return &generator{
		url: url, r: r, all: newClients(r, clients),
		body:   func(_ []byte, n int64) []byte { return r.Bodies[int(n)%len(r.Bodies)] },
		result: outcome{Bad: map[string]int64{}},
	}
}

// chooseGenerator is one for the requests of a file, or for unique ones.
func chooseGenerator(url, file string, unique int64, clients int) (*generator, error) {
	if unique < 0 {
		r, err := readRequests(file)
		if err != nil {
			return nil, err
		}
		return newGenerator(url, r, clients), nil
	}
	u, err := newUniques()
	if err != nil {
		return nil, err
	}
	g := newGenerator(url, requests{Type: typeProtobuf, Spans: uniqueSpans}, clients)
	g.next.Store(unique)
	g.body = func(dst []byte, n int64) []byte { return u.body(dst, n, time.Now()) }
	g.result.Taken = []int64{}
	return g, nil
}

// newClients are one for HTTP/1.1, which has a pool of connections, and one a
// connection for HTTP/2, which would have one.
func newClients(r requests, n int) []*http.Client {
	newClient := func() *http.Client {
		t := &http.Transport{MaxIdleConns: outstanding, MaxIdleConnsPerHost: outstanding, DisableCompression: true, WriteBufferSize: 64 << 10}
		if r.Type == typeGRPC {
			t.Protocols = new(http.Protocols)
			t.Protocols.SetUnencryptedHTTP2(true)
		}
		return &http.Client{Timeout: 20 * time.Second, Transport: t}
	}
	clients := []*http.Client{newClient()}
	for r.Type == typeGRPC && len(clients) < n {
		clients = append(clients, newClient())
	}
	return clients
}

func (g *generator) sendOnce(ctx context.Context, clients int) {
	var all sync.WaitGroup
	for range clients {
		all.Go(func() {
			for i := g.next.Add(1) - 1; int(i) < len(g.r.Bodies) && ctx.Err() == nil; i = g.next.Add(1) - 1 {
				g.send(ctx, i, time.Now())
			}
		})
	}
	all.Wait()
}

func (g *generator) sendFast(ctx context.Context, clients int, d time.Duration) {
	end := time.Now().Add(d)
	var all sync.WaitGroup
	for range clients {
		all.Go(func() {
			for due := time.Now(); due.Before(end) && ctx.Err() == nil; due = time.Now() {
				g.send(ctx, g.next.Add(1)-1, due)
			}
		})
	}
	all.Wait()
}

// sendAtRate starts requests when they are due, however the earlier ones fare,
// and counts their time from then: a slow server does not get fewer requests.
func (g *generator) sendAtRate(ctx context.Context, rate float64, d time.Duration) {
	var all sync.WaitGroup
	defer all.Wait()
	free := make(chan struct{}, outstanding)
	started := time.Now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	first := g.next.Load()
	for i := int64(0); ; i++ {
		due := started.Add(time.Duration(float64(i) / rate * float64(time.Second)))
		if due.Sub(started) >= d {
			return
		}
		timer.Reset(time.Until(due))
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		select {
		case free <- struct{}{}:
			all.Go(func() {
				g.send(ctx, first+i, due)
				<-free
			})
		default:
			g.note(0, "not sent: the server is behind", 0)
		}
	}
}

func (g *generator) send(ctx context.Context, i int64, due time.Time) {
	room, _ := g.pool.Get().([]byte)
	body := g.body(room, i)
	trouble := g.exchange(ctx, g.all[int(i)%len(g.all)], body)
	if trouble == "" && g.result.Taken != nil { // else the connection may still be reading it
		//lint:ignore SA6002 a slice's header is little beside its bytes
		g.pool.Put(body)
	}
	g.note(g.r.Spans, trouble, time.Since(due))
	if trouble == "" {
		g.taken(i)
	}
}

// taken notes that a unique request was.
func (g *generator) taken(i int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.result.Taken != nil {
		g.result.Taken = append(g.result.Taken, i)
	}
}

func (g *generator) note(spans int, trouble string, took time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.result.Requests++
	if trouble != "" {
		g.result.Bad[trouble]++
		return
	}
	g.result.Spans += int64(spans)
	g.result.Latencies = append(g.result.Latencies, took)
}

// exchange sends a body and returns what is wrong with the answer, if anything is.
func (g *generator) exchange(ctx context.Context, client *http.Client, body []byte) string {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, g.url, bytes.NewReader(body))
	if err != nil {
		return err.Error()
	}
	req.Header.Set("Content-Type", g.r.Type)
	if g.r.Encoding != "" {
		req.Header.Set("Content-Encoding", g.r.Encoding)
	}
	if g.r.Type == typeGRPC {
		req.Header.Set("TE", "trailers")
	}
	resp, err := client.Do(req)
	if err != nil {
		return "no answer: " + rootOf(err).Error()
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return "broken answer: " + rootOf(err).Error()
	}
	if resp.StatusCode != http.StatusOK {
		return resp.Status
	}
	if g.r.Type == typeGRPC {
		if status := resp.Trailer.Get("Grpc-Status"); status != "0" || len(answer) < 5 {
			return "gRPC status " + status + resp.Header.Get("Grpc-Status")
		}
		answer = answer[5:]
	}
	if n := rejected(g.r.Type, answer); n != 0 {
		return fmt.Sprintf("%d spans rejected", n)
	}
	return ""
}

func rejected(contentType string, answer []byte) int64 {
	if len(answer) == 0 {
		return 0
	}
	r := ptraceotlp.NewExportResponse()
	unmarshal := r.UnmarshalProto
	if contentType == typeJSON {
		unmarshal = r.UnmarshalJSON
	}
	if err := unmarshal(answer); err != nil {
		return -1
	}
	return r.PartialSuccess().RejectedSpans()
}

// rootOf leaves out of an error what differs from one request to the next, such as ports.
func rootOf(err error) error {
	for inner := errors.Unwrap(err); inner != nil; inner = errors.Unwrap(err) {
		err = inner
	}
	return err
}
