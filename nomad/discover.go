package nomad

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/hashicorp/nomad/api"
)

const (
	blockDiscovery = 5 * time.Minute        // of a blocking query that nothing happens in
	retryFirst     = 100 * time.Millisecond // after a failed query; doubled up to
	retryMost      = time.Second            // this, so that a Nomad that is back is noticed at once
)

// Discovery follows where a service is. It is ready for use before Run; Address
// then has no answer yet.
type Discovery struct {
	service string
	client  *api.Client
	logger  *slog.Logger

	mu      sync.Mutex
	current api.ServiceRegistration
	known   bool
	away    bool  // no instance is registered, or Nomad does not answer
	err     error // why there is no address yet
}

// Discover returns a follower of a service by its name.
func Discover(client *api.Client, service string, logger *slog.Logger) *Discovery {
	return &Discovery{service: service, client: client, logger: logger, err: fmt.Errorf("the place of service %s is not known yet: Nomad has not answered", service)}
}

// Address is host:port of an instance of the service: the one that was given
// last as long as it is registered, and the last known one while none is or
// Nomad does not answer. run tells one run of the instance from the next, since
// a task that is started again is registered again. It never blocks.
func (d *Discovery) Address() (address, run string, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.known {
		return "", "", d.err
	}
	return hostPort(&d.current), fmt.Sprintf("%s@%d", d.current.ID, d.current.ModifyIndex), nil
}

// Run follows the service until ctx ends.
func (d *Discovery) Run(ctx context.Context) error {
	var index uint64
	delay := retryFirst
	for ctx.Err() == nil {
		// A stale answer is as good, and does not need a leader.
		asked, before := time.Now(), index
		q := (&api.QueryOptions{WaitIndex: index, WaitTime: blockDiscovery, AllowStale: true}).WithContext(ctx)
		found, meta, err := d.client.Services().Get(d.service, q)
		if err := answered(found, err); err != nil {
			d.failed(err)
			index = 0 // what happened meanwhile is wanted at once
			select {
			case <-ctx.Done():
			case <-time.After(delay + rand.N(delay/4)):
			}
			delay = min(2*delay, retryMost)
			continue
		}
		delay = retryFirst
		index = next(index, meta.LastIndex)
		d.found(found)
		// a proxy may answer what should have blocked
		if index == before && time.Since(asked) < retryMost {
			select {
			case <-ctx.Done():
			case <-time.After(retryMost):
			}
		}
	}
	return nil
}

// next is the index to wait for. One that goes back means that Nomad's state
// was restored: waiting for the old one would wait too long.
func next(asked, answered uint64) uint64 {
	if answered < asked {
		return 0
	}
	return max(answered, 1) // 0 would not block
}

func (d *Discovery) found(instances []*api.ServiceRegistration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.err = fmt.Errorf("no instance of service %s is registered in Nomad", d.service)
	if len(instances) == 0 {
		if !d.away && d.known {
			d.logger.Warn("the service is gone; its last address is used until it is back", "service", d.service, "address", hostPort(&d.current))
		}
		d.away = true
		return
	}
	// The newest registration replaces one that is gone: an old one may be left
	// over from a node that is lost.
	newest := slices.MaxFunc(instances, func(a, b *api.ServiceRegistration) int {
		return cmp.Or(cmp.Compare(a.CreateIndex, b.CreateIndex), cmp.Compare(a.ID, b.ID))
	})
	i := slices.IndexFunc(instances, func(r *api.ServiceRegistration) bool { return r.ID == d.current.ID })
	chosen := newest
	if d.known && i >= 0 {
		chosen = instances[i] // it may have another port after a restart in place
	}
	if !d.known || hostPort(chosen) != hostPort(&d.current) {
		d.logger.Info("service found", "service", d.service, "address", hostPort(chosen), "nomad.alloc_id", chosen.AllocID)
	}
	d.current, d.known, d.away = *chosen, true, false
}

func (d *Discovery) failed(err error) {
	if errors.Is(err, context.Canceled) {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.err = fmt.Errorf("ask Nomad where service %s is: %w", d.service, err)
	if !d.away {
		d.logger.Warn("Nomad does not say where the service is; the last address is used", "service", d.service, "err", err)
	}
	d.away = true
}

func hostPort(r *api.ServiceRegistration) string {
	return net.JoinHostPort(r.Address, strconv.Itoa(r.Port))
}
