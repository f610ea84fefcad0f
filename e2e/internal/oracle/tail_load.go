package oracle

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"time"
)

// TailLoad is clients that send parts of traces until they are stopped.
type TailLoad struct {
	w      *Tail
	pause  time.Duration
	cancel context.CancelFunc
	done   sync.WaitGroup
}

// Start lets clients send, about so many requests a second all together.
func (w *Tail) Start(clients int, perSecond float64) *TailLoad {
	ctx, cancel := context.WithCancel(context.Background())
	l := &TailLoad{w: w, pause: time.Duration(float64(clients) / perSecond * float64(time.Second)), cancel: cancel}
	for range clients {
		l.done.Go(func() { l.send(ctx) })
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.loads = append(w.loads, l)
	return l
}

// Stop ends the load once every request that was begun is answered or given up.
// What would have come later of traces that were begun never does.
func (l *TailLoad) Stop() {
	l.cancel()
	l.done.Wait()
}

// StopAll stops every load.
func (w *Tail) StopAll() {
	w.mu.Lock()
	loads := w.loads
	w.loads = nil
	w.mu.Unlock()
	for _, l := range loads {
		l.Stop()
	}
}

const (
	mostAtOnce = 60  // spans that a request has, or a part more
	hasty      = 0.1 // share of the requests whose client goes before the answer
	givenUp    = 0.3 // share of what was not answered that is not sent again
)

func (l *TailLoad) send(ctx context.Context) {
	transport := &http.Transport{DialContext: (&net.Dialer{Timeout: time.Second}).DialContext, MaxIdleConnsPerHost: 1, DisableCompression: true}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	for ctx.Err() == nil {
		places := l.w.take(1 + rand.IntN(mostAtOnce))
		body := l.w.encode(places)
		for ctx.Err() == nil && l.post(client, places, body) != http.StatusOK {
			pause(ctx, time.Duration(5+rand.IntN(45))*time.Millisecond)
			if rand.Float64() < givenUp {
				break
			}
		}
		pause(ctx, time.Duration(rand.Int64N(int64(2*l.pause))))
	}
}

// encode makes the export request of spans.
func (w *Tail) encode(places []place) (body []byte) {
	for len(places) > 0 {
		n := 1 // those that follow are of the same trace
		for n < len(places) && places[n].trace == places[0].trace {
			n++
		}
		var scope []byte
		for _, p := range places[:n] {
			c := w.span(p)
			scope = field(scope, 2, c.appendTo(nil))
		}
		resource := field(nil, 1, field(nil, 1, stringAttribute(nil, "service.name", w.f.service(places[0].trace))))
		body = field(body, 1, field(resource, 2, scope))
		places = places[n:]
	}
	return body
}

// post sends spans once and notes the answer.
func (l *TailLoad) post(client *http.Client, places []place, body []byte) (status int) {
	target := l.w.target.Load()
	if target == nil {
		return 0
	}
	patience := 10 * time.Second
	if rand.Float64() < hasty {
		patience = time.Duration(rand.IntN(5000)) * time.Microsecond
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, *target, bytes.NewReader(body))
	if err != nil {
		l.w.complain(err.Error())
		return 0
	}
	req.Header.Set("Content-Type", "application/x-protobuf")
	times := l.w.sends(places)
	defer func() { l.w.answered(places, times, status) }()
	resp, err := client.Do(req)
	if err != nil {
		return 0
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	switch {
	case err != nil:
		return 0
	case resp.StatusCode == http.StatusOK && len(answer) > 0:
		l.w.complain(fmt.Sprintf("a 200 says %.100q", answer))
		return 0
	case resp.StatusCode == http.StatusServiceUnavailable && resp.Header.Get("Retry-After") == "":
		l.w.complain(fmt.Sprintf("a 503 without Retry-After: %.200q", answer))
	case resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusServiceUnavailable:
		l.w.complain(fmt.Sprintf("%s: %.200q", resp.Status, answer))
	}
	return resp.StatusCode
}
