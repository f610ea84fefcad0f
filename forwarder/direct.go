package forwarder

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// Direct hands each batch to Tempo while its sender waits. Batches that wait at the same moment share a request.
type Direct struct {
	client   *client
	maxBytes int
	patience time.Duration
	jobs     chan *job
	quit     chan struct{}
	workers  sync.WaitGroup
	stats    directStats
}

type directStats struct {
	requests, failures, spans, bytes atomic.Int64
}

// Stats are counts since the start.
type Stats struct {
	Requests int64 // sent to Tempo
	Failures int64 // of these, not acknowledged
	Spans    int64 // acknowledged by Tempo
	Bytes    int64 // acknowledged by Tempo
}

type job struct {
	ctx     context.Context
	tenant  string
	spans   int
	payload []byte
	done    chan error
}

// Options of a Direct.
type Options struct {
	// Endpoint returns the URL that takes traces, or an error while Tempo is away.
	Endpoint func() (string, error)
	InFlight int           // requests to Tempo at once
	MaxBytes int           // payload bytes of a request that several batches share
	Timeout  time.Duration // of one request
	Patience time.Duration // for a batch to wait for a request of its own
}

// NewDirect starts the senders; Close ends them.
func NewDirect(o Options) *Direct {
	d := &Direct{
		client:   newClient(o.Endpoint, o.Timeout, o.InFlight),
		maxBytes: o.MaxBytes,
		patience: o.Patience,
		jobs:     make(chan *job),
		quit:     make(chan struct{}),
	}
	for range o.InFlight {
		d.workers.Go(d.work)
	}
	return d
}

var (
	errClosed = errors.New("the forwarder is stopping")
	errBusy   = errors.New("tempo takes too long for what it was sent before")
)

// Send returns once Tempo has acknowledged the batch (nil), or with an *UnavailableError or a *RejectedError. It
// uses payload, an ExportTraceServiceRequest, only until it returns.
func (d *Direct) Send(ctx context.Context, tenant string, spans int, payload []byte) error {
	j := &job{ctx: ctx, tenant: tenant, spans: spans, payload: payload, done: make(chan error, 1)}
	if err := d.enqueue(j); err != nil {
		return &UnavailableError{Err: err}
	}
	return <-j.done // payload is in use until the request ends, which Timeout bounds
}

// enqueue hands a job to a worker.
func (d *Direct) enqueue(j *job) error {
	select {
	case d.jobs <- j:
		return nil
	case <-d.quit:
		return errClosed
	default:
	}
	patience := time.NewTimer(d.patience)
	defer patience.Stop()
	select {
	case d.jobs <- j:
		return nil
	case <-j.ctx.Done():
		return j.ctx.Err()
	case <-patience.C:
		return errBusy
	case <-d.quit:
		return errClosed
	}
}

// Close waits for the requests in flight. Later Sends are refused.
func (d *Direct) Close() {
	close(d.quit)
	d.workers.Wait()
	d.client.transport.CloseIdleConnections()
}

// Stats returns the counts so far.
func (d *Direct) Stats() Stats {
	return Stats{Requests: d.stats.requests.Load(), Failures: d.stats.failures.Load(), Spans: d.stats.spans.Load(), Bytes: d.stats.bytes.Load()}
}

func (d *Direct) work() {
	var next *job // taken from the queue, but of another tenant or too large for the request before
	for {
		first := next
		next = nil
		if first == nil {
			select {
			case first = <-d.jobs:
			case <-d.quit:
				return
			}
		}
		runtime.Gosched() // lets senders that are as far as this one share its request; costs nothing when there are none
		group := []*job{first}
		size := len(first.payload)
	gather:
		for size < d.maxBytes {
			select {
			case j := <-d.jobs:
				if j.tenant != first.tenant || size+len(j.payload) > d.maxBytes {
					next = j
					break gather
				}
				group = append(group, j)
				size += len(j.payload)
			default:
				break gather
			}
		}
		d.send(group)
	}
}

// send delivers a group in one request. Where Tempo refuses a shared request for good, each batch goes alone, so
// that only the guilty one is refused.
func (d *Direct) send(group []*job) {
	payloads := make([][]byte, len(group))
	spans := 0
	for i, j := range group {
		payloads[i] = j.payload
		spans += j.spans
	}
	ctx := group[0].ctx
	if len(group) > 1 {
		ctx = context.WithoutCancel(ctx) // one client's going away is not the others' affair
	}
	err := d.client.post(ctx, group[0].tenant, spans, payloads)
	d.stats.requests.Add(1)
	if err != nil {
		d.stats.failures.Add(1)
	}
	var rejected *RejectedError
	if len(group) > 1 && errors.As(err, &rejected) {
		for i := range group {
			d.send(group[i : i+1])
		}
		return
	}
	for _, j := range group {
		switch {
		case err == nil:
			d.stats.spans.Add(int64(j.spans))
			d.stats.bytes.Add(int64(len(j.payload)))
		case rejected != nil:
			d.stats.spans.Add(int64(j.spans - rejected.Spans))
		}
		j.done <- err
	}
}
