package sampler

import (
	"hash/maphash"
	"iter"
	"sync/atomic"
)

// Bounds on what is remembered of services, so that a flood of made-up names costs
// no more than a megabyte.
const (
	maxServices    = 1024
	maxServiceName = 256 // bytes; a longer name counts among the rest
	slots          = 4 * maxServices
	probes         = 16
)

// services finds services by name without a lock: a hash table that only grows,
// until it is replaced when a window ends.
type services struct {
	seed  maphash.Seed
	count atomic.Int64
	slots [slots]atomic.Pointer[service]
	rest  *service // all those that found no place
	// what those begin with that are made: Always, unless some of the last window
	// found no place
	newcomers Threshold
}

func newServices() *services {
	return &services{seed: maphash.MakeSeed(), rest: &service{}}
}

// find is the place of a service, made if there is room.
func (t *services) find(name []byte) *service {
	if len(name) > maxServiceName {
		return t.rest
	}
	at := maphash.Bytes(t.seed, name)
	for i := range uint64(probes) {
		slot := &t.slots[(at+i)%slots]
		found := slot.Load()
		if found == nil {
			if t.count.Load() >= maxServices {
				return t.rest
			}
			made := &service{name: string(name)}
			made.raised.Store(uint64(t.newcomers))
			if slot.CompareAndSwap(nil, made) {
				t.count.Add(1)
				return made
			}
			found = slot.Load() // another goroutine was faster, perhaps with the same name
		}
		if found.name == string(name) {
			return found
		}
	}
	return t.rest
}

// put places a service that is not there.
func (t *services) put(s *service) {
	at := maphash.String(t.seed, s.name)
	for i := range uint64(probes) {
		if t.slots[(at+i)%slots].CompareAndSwap(nil, s) {
			t.count.Add(1)
			return
		}
	}
}

// all are the services in the table, and the rest.
func (t *services) all() iter.Seq[*service] {
	return func(yield func(*service) bool) {
		for i := range t.slots {
			if s := t.slots[i].Load(); s != nil && !yield(s) {
				return
			}
		}
		yield(t.rest)
	}
}

// maxStaying is how many services keep their place: the rest is for new ones.
const maxStaying = maxServices * 3 / 4

// renew is the table for the next window, with room for new services: it leaves out
// those that were not seen, and of a crowd the smallest. busiest is sorted so.
// A span that is counted in the old table meanwhile is not asked for in the next window.
//
// Those that are left out of a crowd cannot be told from new services when they
// come again, nor from the rest. So all of these have one threshold, which would
// have let through what was granted to them together.
func (t *services) renew(busiest []demand, precision int) *services {
	next := newServices()
	next.rest = t.rest
	var crowd demand
	leftOut := false
	for i := range busiest {
		d := &busiest[i]
		switch {
		case d.service == t.rest:
			crowd.join(d)
		case next.count.Load() < maxStaying:
			next.put(d.service)
		default:
			leftOut = true
			crowd.join(d)
		}
	}
	if leftOut {
		next.newcomers = crowd.threshold(precision)
		next.rest.raised.Store(uint64(next.newcomers))
	}
	return next
}
