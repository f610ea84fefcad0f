package serve

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"net/url"
	"os"

	"golang.org/x/sync/errgroup"

	"appliance/internal/telemetry"
	"appliance/nomad"
)

// nomadTask is what serve has of a Nomad cluster: which allocation it is, the
// services that nomad:// URLs name, and the lock by which one of several
// replicas archives. Without any of them it is empty.
type nomadTask struct {
	allocation nomad.Allocation
	allocated  bool
	services   map[string]*nomad.Discovery
	leaser     *nomad.Leaser
	holder     string // how the lock names this process
}

// joinNomad builds what the configuration asks of Nomad. Nothing is sent yet; a
// Nomad that is away keeps nobody from starting.
func (a *appliance) joinNomad(context.Context) error {
	n := &a.nomad
	if n.allocation, n.allocated = nomad.CurrentAllocation(); n.allocated {
		for _, attribute := range n.allocation.Attributes() {
			a.logger = a.logger.With(attribute.Key, attribute.Value)
		}
	}
	client, err := NomadClient(a.conf)
	if err != nil || client == nil {
		return err
	}
	n.services = map[string]*nomad.Discovery{}
	for _, service := range NomadServices(a.conf) {
		if n.services[service] == nil {
			n.services[service] = nomad.Discover(client, service, a.logger)
		}
	}
	if a.conf.Nomad.Lock != "" {
		host, err := os.Hostname()
		if err != nil {
			return fmt.Errorf("name ourselves as the holder of nomad.lock: %w", err)
		}
		// a task that is started again is another holder
		n.holder = cmp.Or(n.allocation.ID, host) + "/" + rand.Text()
		n.leaser = nomad.NewLeaser(nomad.LeaserOptions{Client: client, Path: a.conf.Nomad.Lock, Holder: n.holder, Logger: a.logger})
	}
	return nil
}

// follow keeps the addresses of services up to date until ctx ends.
func (n *nomadTask) follow(ctx context.Context) error {
	var all errgroup.Group
	for _, d := range n.services {
		all.Go(func() error { return d.Run(ctx) })
	}
	return all.Wait()
}

// alone runs work while no other replica does: under nomad.lock where that is
// set, and right away where it is not.
func (n *nomadTask) alone(ctx context.Context, work func(context.Context) error) error {
	if n.leaser == nil {
		return work(ctx)
	}
	return n.leaser.Run(ctx, work)
}

// locate puts the address that a service has now in the place of
// nomad://SERVICE, and says which run of it that is. Other URLs stay as they
// are.
func (n *nomadTask) locate(raw string) (located, run string, err error) {
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "nomad" {
		return raw, "", err
	}
	address, run, err := n.services[u.Hostname()].Address()
	if err != nil {
		return "", "", err
	}
	u.Scheme, u.Host = "http", address
	return u.String(), run, nil
}

// metrics are those of a task.
func (n *nomadTask) metrics() []telemetry.Metric {
	var names []string
	for _, attribute := range n.allocation.Attributes() {
		names = append(names, attribute.Label())
	}
	leasing := func(read func(*nomad.Leaser) float64) func(func(float64, ...string)) {
		return func(emit func(float64, ...string)) {
			if n.leaser != nil {
				emit(read(n.leaser))
			}
		}
	}
	return []telemetry.Metric{
		{
			Name: "appliance_nomad_allocation_info", Labels: names, Help: "1 in a task of Nomad, with the allocation as labels.",
			Read: func(emit func(float64, ...string)) {
				var values []string
				for _, attribute := range n.allocation.Attributes() {
					values = append(values, attribute.Value)
				}
				if n.allocated {
					emit(1, values...)
				}
			},
		},
		{
			Name: "appliance_nomad_lock_held", Help: "1 while this replica holds nomad.lock, and so is the one that archives.",
			Read: leasing(func(l *nomad.Leaser) float64 {
				if l.Holding() {
					return 1
				}
				return 0
			}),
		},
		{
			Name: "appliance_nomad_lock_terms_total", Help: "Times this replica has got nomad.lock.",
			Read: leasing(func(l *nomad.Leaser) float64 { return float64(l.Terms()) }),
		},
	}
}
