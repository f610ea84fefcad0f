package forwarder

import (
	"sync"
	"time"
)

// discards is what Tempo says it has discarded, by tenant. Whose spans they were
// it does not say: all of them count as ours.
type discards struct {
	mu    sync.Mutex
	asked time.Time // when Tempo was last asked, and said; zero if it never did
	// of tenants of which something was sent: by reason, not charged to any spans yet
	open map[string]map[string]int64
}

// rateLimited is what Tempo also answers 429: those spans are sent again.
const rateLimited = "rate_limited"

// begin is called before anything of a tenant is sent.
func (d *discards) begin(tenant string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.open == nil {
		d.open = map[string]map[string]int64{}
	}
	if d.open[tenant] == nil {
		d.open[tenant] = map[string]int64{}
	}
}

// heard enters what a process of Tempo has discarded, now and before. What it
// had discarded when it was first heard of, is not known to be ours.
func (d *discards) heard(now, before map[string]map[string]int64, known bool, asked time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asked = asked
	if !known {
		return
	}
	for tenant, open := range d.open {
		for reason, n := range now[tenant] {
			if reason != rateLimited {
				open[reason] += max(0, n-before[tenant][reason])
			}
		}
	}
}

// charges takes what is to be charged to spans of a tenant, by reason, at most
// so many in all. Not ok: Tempo was not asked since a time.
func (d *discards) charges(tenant string, spans int, since time.Time) (charged map[string]int, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.asked.IsZero() {
		return nil, true // nor has it ever answered
	}
	if !d.asked.After(since) {
		return nil, false
	}
	charged = map[string]int{}
	for reason, n := range d.open[tenant] {
		c := int(min(n, int64(spans)))
		spans -= c
		d.open[tenant][reason] -= int64(c)
		charged[reason] = c
	}
	return charged, true
}
