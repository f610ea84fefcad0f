package remotewrite

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"sync"
	"time"

	"github.com/klauspost/compress/snappy"
)

const (
	firstPause = 100 * time.Millisecond
	mostPause  = 30 * time.Second
	// tooOld is the age from which a request is not sent again: newer numbers
	// say more.
	tooOld = time.Minute
	// lastRound bounds what is sent at the end.
	lastRound = 2 * time.Second
)

// Sender sends families of metrics.
type Sender struct {
	endpoint *endpoint
	interval time.Duration
	families []family
	log      *slog.Logger

	// of Run alone
	packed   []byte
	failures int  // since a request was taken
	trouble  bool // in the round that goes on, or as long as none was without

	mu     sync.Mutex
	status Status
}

// Status is what became of all samples since the start.
type Status struct {
	URL string `json:"url"` // without a password
	// Sent is how many samples were taken.
	Sent uint64 `json:"sent_samples"`
	// Refused is how many were not taken for good, by an answer such as 400.
	Refused uint64 `json:"refused_samples"`
	// Late is how many were not taken for so long that newer ones took their
	// place.
	Late uint64 `json:"late_samples"`
	// Failures is how many requests failed that were sent again, or would have
	// been.
	Failures uint64 `json:"failed_requests"`
	// LastSuccess is when everything was taken the last time.
	LastSuccess time.Time `json:"last_success,omitzero"`
	// LastError is what was wrong since then, empty for nothing.
	LastError string `json:"last_error,omitempty"`
}

// New makes a sender. Errors are KeyErrors, joined.
func New(o Options) (*Sender, error) {
	if err := errors.Join(o.Check(), o.CheckFiles()); err != nil {
		return nil, err
	}
	e, err := newEndpoint(o)
	if err != nil {
		return nil, err
	}
	s := &Sender{endpoint: e, interval: o.Interval, log: o.Logger, status: Status{URL: e.shown}}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	labels := maps.Clone(o.Labels)
	maps.DeleteFunc(labels, func(_, value string) bool { return value == "" })
	for _, m := range o.Families {
		s.families = append(s.families, newFamily(m, labels))
	}
	return s, nil
}

// Run sends everything at each interval until ctx is done, and then once more
// if the endpoint takes it at once.
func (s *Sender) Run(ctx context.Context) error {
	defer s.endpoint.client.CloseIdleConnections()
	for {
		next := time.NewTimer(s.interval) // a round that takes longer begins the next one
		s.round(ctx)
		select {
		case <-next.C:
			continue
		case <-ctx.Done():
			next.Stop()
		}
		if s.failures == 0 {
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastRound)
			defer cancel()
			s.round(last)
		}
		return nil
	}
}

// round reads all numbers and sends them, request by request. What is in a
// request is read just before that is sent.
func (s *Sender) round(ctx context.Context) {
	bad := false
	e := encoder{send: func(request []byte, samples int) {
		if ctx.Err() == nil && !s.deliver(ctx, request, samples) {
			bad = true
		}
	}}
	for _, f := range s.families {
		e.describe(f.Metric)
	}
	for _, f := range s.families {
		e.family(f)
	}
	e.end()
	if ctx.Err() == nil && !bad {
		s.whole()
	}
}

// deliver sends a request until it is taken, refused or too old, or ctx is done,
// and says whether it was taken.
func (s *Sender) deliver(ctx context.Context, request []byte, samples int) bool {
	read := time.Now()
	s.packed = snappy.Encode(s.packed[:cap(s.packed)], request)
	for {
		err := s.endpoint.post(ctx, s.packed)
		if err == nil {
			s.failures = 0
			s.count(func(st *Status) { st.Sent += uint64(samples) })
			return true
		}
		if ctx.Err() != nil {
			return false
		}
		if _, ok := errors.AsType[*refusedError](err); ok {
			s.failures = 0
			s.fail(err, func(st *Status) { st.Refused += uint64(samples) })
			return false
		}
		s.fail(err, func(st *Status) { st.Failures++ })
		pause := min(firstPause<<min(s.failures, 20), mostPause)
		s.failures++
		if u, ok := errors.AsType[*unavailableError](err); ok {
			pause = max(pause, u.after)
		}
		if !sleep(ctx, pause) {
			return false
		}
		if time.Since(read) >= tooOld {
			s.count(func(st *Status) { st.Late += uint64(samples) })
			return false
		}
	}
}

// sleep waits, and says whether ctx let it.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func (s *Sender) count(add func(*Status)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	add(&s.status)
}

// fail notes an error, and says the first one since a round without any.
func (s *Sender) fail(err error, add func(*Status)) {
	s.count(func(st *Status) {
		add(st)
		st.LastError = err.Error()
	})
	if !s.trouble {
		s.trouble = true
		s.log.Warn("metrics are not taken by remote write; counting goes on", "err", err)
	}
}

// whole notes that everything was taken.
func (s *Sender) whole() {
	s.count(func(st *Status) { st.LastSuccess, st.LastError = time.Now(), "" })
	if s.trouble {
		s.trouble = false
		s.log.Info("metrics are taken by remote write again", "url", s.endpoint.shown)
	}
}

// Status is what became of all samples until now.
func (s *Sender) Status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.status
}
