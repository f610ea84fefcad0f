package oracle

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"
)

// Shape says how a load is.
type Shape struct {
	Clients        int
	SpansPerSecond float64 // of all clients; 0 means as fast as answers come
	MaxBatch       int     // spans in a request at most; 0 means 2000
	// of a client for an answer; 0 means 10 s, as Traefik and the SDKs have
	Patience time.Duration
	Plain    bool // no gzip; else every third request has it
}

// Load is clients that send until they are stopped.
type Load struct {
	o      *Oracle
	shape  Shape
	cancel context.CancelFunc
	done   sync.WaitGroup
}

// Start lets clients send to the target.
func (o *Oracle) Start(shape Shape) *Load {
	if shape.MaxBatch == 0 {
		shape.MaxBatch = 2000
	}
	if shape.Patience == 0 {
		shape.Patience = 10 * time.Second
	}
	ctx, cancel := context.WithCancel(context.Background())
	l := &Load{o: o, shape: shape, cancel: cancel}
	for range shape.Clients {
		l.done.Go(func() { l.send(ctx) })
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.loads = append(o.loads, l)
	return l
}

// Stop ends the load once every request that was begun is answered or given up.
func (l *Load) Stop() {
	l.cancel()
	l.done.Wait()
}

// StopAll stops every load.
func (o *Oracle) StopAll() {
	o.mu.Lock()
	loads := o.loads
	o.loads = nil
	o.mu.Unlock()
	for _, l := range loads {
		l.Stop()
	}
}

// resendShare of the batches that were not answered 200 are sent again, so that
// there are both: duplicates, and spans sent once.
const resendShare = 0.5

func (l *Load) send(ctx context.Context) {
	// A dialer of its own: connections to an appliance that is gone are not kept for the next.
	transport := &http.Transport{DialContext: (&net.Dialer{Timeout: time.Second}).DialContext, MaxIdleConnsPerHost: 1, DisableCompression: true}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: l.shape.Patience}
	var body, packed []byte
	due := time.Now()
	for ctx.Err() == nil {
		t := l.o.book.take(l.size())
		body = l.o.f.encode(body[:0], t.runs)
		payload, encoding := body, ""
		if !l.shape.Plain && rand.IntN(3) == 0 {
			packed = compress(packed[:0], body)
			payload, encoding = packed, "gzip"
		}
		for {
			status := l.post(client, t, payload, encoding)
			if status == http.StatusOK {
				break
			}
			t.tried = true
			pause(ctx, time.Duration(5+rand.IntN(45))*time.Millisecond)
			if ctx.Err() != nil || rand.Float64() >= resendShare {
				break
			}
		}
		if l.shape.SpansPerSecond > 0 {
			due = due.Add(time.Duration(float64(t.spans) / l.shape.SpansPerSecond * float64(l.shape.Clients) * float64(time.Second)))
			if behind := time.Since(due); behind > time.Second {
				// what could not be offered is not made up for at once
				due = due.Add(behind - time.Second)
			}
			pause(ctx, time.Until(due))
		}
	}
}

// size of a batch: a third are single spans or few, a third some dozens, a third large.
func (l *Load) size() int {
	most := [...]int{8, 100, l.shape.MaxBatch}[rand.IntN(3)]
	return 1 + rand.IntN(min(most, l.shape.MaxBatch))
}

// post sends a batch once and notes the answer. It is not interrupted by the
// end of the load: an answer that is on its way counts.
func (l *Load) post(client *http.Client, t batch, payload []byte, encoding string) (status int) {
	target := l.o.target.Load()
	if target == nil {
		return 0
	}
	req, err := http.NewRequest(http.MethodPost, *target, bytes.NewReader(payload))
	if err != nil {
		l.o.book.complain(err.Error())
		return 0
	}
	req.Header.Set("Content-Type", "application/x-protobuf")
	if encoding != "" {
		req.Header.Set("Content-Encoding", encoding)
	}
	l.o.book.trying(t)
	defer func() { l.o.book.answered(t, status) }()
	resp, err := client.Do(req)
	if err != nil {
		l.o.book.noAnswer(err)
		return 0
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil { // the client cannot know
		l.o.book.noAnswer(err)
		return 0
	}
	switch resp.StatusCode {
	case http.StatusOK:
		var r collector.ExportTraceServiceResponse
		if err := proto.Unmarshal(answer, &r); err != nil || r.GetPartialSuccess().GetRejectedSpans() != 0 {
			l.o.book.complain(fmt.Sprintf("a 200 says %v, %.100q", err, answer))
			return 0
		}
	case http.StatusServiceUnavailable, http.StatusTooManyRequests, http.StatusBadGateway, http.StatusGatewayTimeout:
	default: // for an OTLP client everything else means that its data is lost
		l.o.book.complain(fmt.Sprintf("%s: %.200q", resp.Status, answer))
	}
	return resp.StatusCode
}

func compress(dst, body []byte) []byte {
	out := bytes.NewBuffer(dst)
	z, _ := gzip.NewWriterLevel(out, gzip.BestSpeed) // the level is valid
	_, _ = z.Write(body)                             // a buffer takes everything
	_ = z.Close()
	return out.Bytes()
}

func pause(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
