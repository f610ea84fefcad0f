package forwarder

import (
	"context"
	"sync"
	"time"
)

// discards is what Tempo says it has discarded, by tenant. Whose spans they were
// it does not say: all of them count as ours.
type discards struct {
	// nil: Tempo cannot be asked
	ask func(ctx context.Context, tenant string) (map[string]int64, error)

	mu      sync.Mutex
	tenants map[string]*discarded
	process string
}

// rateLimited is what Tempo also answers 429: those spans are sent again.
const rateLimited = "rate_limited"

type discarded struct {
	asked   time.Time
	counted map[string]int64 // by reason, as Tempo said last
	open    map[string]int64 // by reason, not charged to any spans yet
}

// begin asks for the counts of a tenant before anything of it is sent.
func (d *discards) begin(ctx context.Context, tenant string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ask == nil || d.tenants[tenant] != nil {
		return nil
	}
	counted, err := d.ask(ctx, tenant)
	if err != nil {
		return err
	}
	if d.tenants == nil {
		d.tenants = map[string]*discarded{}
	}
	d.tenants[tenant] = &discarded{asked: time.Now(), counted: counted, open: map[string]int64{}}
	return nil
}

// update asks again for the tenants of shipments, each at most once in a time.
// process is the one that answers; a new one has counted from 0.
func (d *discards) update(ctx context.Context, shipments []*shipment, process string, every time.Duration) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ask == nil {
		return nil
	}
	if process != "" && d.process != process { // empty: it did not say
		for _, t := range d.tenants {
			if d.process != "" {
				t.counted = nil
			}
		}
		d.process = process
	}
	for _, s := range shipments {
		t := d.tenants[s.tenant]
		if t == nil || time.Since(t.asked) < every {
			continue
		}
		now, err := d.ask(ctx, s.tenant)
		if err != nil {
			return err
		}
		for reason, n := range now {
			if reason != rateLimited {
				t.open[reason] += max(0, n-t.counted[reason])
			}
		}
		t.asked, t.counted = time.Now(), now
	}
	return nil
}

// charges takes what is to be charged to spans of a tenant, by reason, at most
// so many in all. Not ok: Tempo was not asked since a time.
func (d *discards) charges(tenant string, spans int, since time.Time) (charged map[string]int, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	t := d.tenants[tenant]
	if d.ask == nil || t == nil {
		return nil, true
	}
	if !t.asked.After(since) {
		return nil, false
	}
	charged = map[string]int{}
	for reason, n := range t.open {
		c := int(min(n, int64(spans)))
		spans -= c
		t.open[reason] -= int64(c)
		charged[reason] = c
	}
	return charged, true
}
