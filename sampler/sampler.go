package sampler

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"appliance/internal/otlpwire"
)

// Sampler samples by a configuration that can be replaced while it runs. Its
// methods may be called at the same time.
type Sampler struct {
	current  atomic.Pointer[plan]
	reload   sync.Mutex    // held while current is replaced
	replaced chan struct{} // holds one token when current was replaced
}

// plan is what one span is sampled by.
type plan struct {
	*rates
	target *target // nil where there is none
}

// New returns a sampler, or what is wrong with the configuration. With a target, Run must run too.
func New(c Config) (*Sampler, error) {
	s := &Sampler{replaced: make(chan struct{}, 1)}
	if err := s.Reload(c); err != nil {
		return nil, err
	}
	return s, nil
}

// Reload replaces the configuration at once for all spans that come after it. If
// c is not valid, the sampler goes on with the one it has, and the error says what to do.
// What was learned about traffic for a target is kept.
func (s *Sampler) Reload(c Config) error {
	r, err := c.compile()
	if err != nil {
		return fmt.Errorf("check sampler configuration: %w", err)
	}
	s.reload.Lock()
	defer s.reload.Unlock()
	next := &plan{rates: r}
	if r.config.TargetSpansPerSecond > 0 {
		if last := s.current.Load(); last != nil && last.target != nil {
			next.target = last.target
		} else {
			next.target = newTarget()
		}
	}
	s.current.Store(next)
	select {
	case s.replaced <- struct{}{}:
	default: // Run has not seen the one before yet
	}
	return nil
}

// Config is the configuration in force, with defaults filled in. Its map must not be written to.
func (s *Sampler) Config() Config { return s.current.Load().config }

// Sample decides on a span. buf is scratch for the tracestate in the verdict:
// pass what came back from the call before, nil at first. It allocates only to
// grow buf and, with a target, where a service is seen for the first time.
//
// It does not count, as the request may still be refused.
func (s *Sampler) Sample(sp *otlpwire.Span, buf []byte) (otlpwire.Verdict, Reason, []byte) {
	p := s.current.Load()
	rate := p.rate(sp.Service)
	var d Decision
	if p.target == nil {
		d = Decide(rate, Always, sp)
	} else {
		svc := p.target.service(sp.Service)
		d = Decide(rate, Threshold(svc.raised.Load()), sp)
		svc.observe(&d)
	}
	v := otlpwire.Verdict{Keep: d.Keep}
	if d.Rewrites() {
		buf = d.AppendTraceState(buf[:0], sp.TraceState)
		v.Rewrite, v.TraceState = true, buf
	}
	return v, d.Reason, buf
}

// Run measures traffic and sets thresholds again once a window, until ctx ends.
// Without a target it only waits for one to be configured. It returns nil.
func (s *Sampler) Run(ctx context.Context) error {
	window := s.current.Load().config.Window
	timer := time.NewTimer(window)
	defer timer.Stop()
	for last := time.Now(); ; {
		select {
		case <-ctx.Done():
			return nil
		case <-s.replaced:
			if w := s.current.Load().config.Window; w != window {
				window = w
				timer.Reset(time.Until(last.Add(window)))
			}
		case now := <-timer.C:
			s.roll(now.Sub(last))
			last = now
			timer.Reset(window)
		}
	}
}

// roll ends a window that took so long.
func (s *Sampler) roll(took time.Duration) {
	p := s.current.Load()
	if p.target != nil && took > 0 {
		p.target.roll(took, p.config.TargetSpansPerSecond, p.config.Precision)
	}
}
