package red

import (
	"math/bits"
	"unsafe"

	"appliance/internal/otlpwire"
)

// Tally gathers the spans of one request. It is not for concurrent use, and is
// gone after Commit or Discard.
type Tally struct {
	m      *Meter
	tenant string
	hash   uint64 // of the tenant

	// slots are of the series that this request has, and that earlier ones had:
	// what is found here needs no look into the table that all share. index finds
	// them by hash; 0 is empty, else one more than a place in slots.
	slots   []slot
	index   []uint16
	touched []uint16 // those that this request has

	service     []byte // of the span before
	cutService  []byte // what counts of it
	serviceHash uint64
	user        uint32 // the node of users, likewise
	self        uint32 // its node; notYet until it is needed
	peer        []byte // what the client's span before called its other side
	peerNode    uint32
	overflowed  uint64

	now     int64            // unix seconds, when it was begun
	halves  []half           // spans of which there may be another side
	heads   [maxShards]int32 // of a list for each shard: one more than a place in halves
	sharded uint64           // shards that have one
	dropped uint64           // spans that had no room in halves
}

// slot adds up the spans of a series.
type slot struct {
	hash      uint64
	key       key // of the series, here so that comparing it reads no other memory
	series    *series
	n         uint16 // its place
	mask      uint64 // which counts are not 0; 0: the request has none of it
	counts    [buckets]uint32
	sum       float64 // seconds
	bytes     uint64
	keptBytes uint64
	kept      uint32
	example   example
}

const (
	cachedSlots  = 256      // of series, in an unused tally
	cachedHalves = 1024     // likewise
	maxHalves    = 16 << 10 // in a request
	firstIndex   = 128      // entries; a power of two
)

// Tally begins to gather a request of a tenant.
func (m *Meter) Tally(tenant string) *Tally {
	t := m.tallies.Get().(*Tally)
	if t.tenant != tenant || t.hash == 0 {
		t.tenant, t.hash, t.user = tenant, m.hash.tenant(tenant), notYet
	}
	t.serviceHash = m.hash.service(t.hash, nil) // of spans that come without a service
	t.now = m.now()
	return t
}

// Bytes is about how much memory it holds.
func (t *Tally) Bytes() int {
	return cap(t.slots)*int(unsafe.Sizeof(slot{})) + cap(t.halves)*int(unsafe.Sizeof(half{})) + 2*cap(t.index)
}

// Add takes a span that is valid; kept says that the sampler keeps it. It keeps
// nothing of sp, but that service names of spans that come one after another may
// be compared by their place.
func (t *Tally) Add(sp *otlpwire.Span, kept bool) {
	if !same(sp.Service, t.service) {
		t.service, t.self = sp.Service, notYet
		t.cutService = cut(sp.Service)
		t.serviceHash = t.m.hash.service(t.hash, t.cutService)
	}
	kind, status := uint8(0), uint8(0)
	if uint32(sp.Kind) < uint32(len(kindNames)) {
		kind = uint8(sp.Kind)
	}
	if uint32(sp.StatusCode) < uint32(len(statusNames)) {
		status = uint8(sp.StatusCode)
	}
	var ns uint64
	if sp.EndTime > sp.StartTime {
		ns = sp.EndTime - sp.StartTime
	}
	p := probe{tenant: t.tenant, service: t.cutService, name: sp.Name, kind: kind, status: status}
	if len(p.name) > maxName {
		p.name = cut(p.name)
	}
	p.hash = t.m.hash.of(t.serviceHash, p.name, kind, status)
	s := t.slot(&p)
	if s.mask == 0 {
		t.touched = append(t.touched, s.n)
	}
	b := latencyScale.bucket(ns)
	s.mask |= 1 << b
	s.counts[b]++
	s.sum += float64(ns) / 1e9
	s.bytes += uint64(sp.Bytes)
	if kept {
		s.kept++
		s.keptBytes += uint64(sp.Bytes)
		if s.kept == 1 || ns > s.example.ns {
			s.example.take(sp, ns)
		}
	}
	if kind >= serverKind {
		t.addHalf(sp, kind, ns, status == errorStatus, kept)
	}
}

// same says that two names are equal, without reading them where they are one.
func same(a, b []byte) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0] || string(a) == string(b))
}

// slot finds the slot of a span, or makes it.
func (t *Tally) slot(p *probe) *slot {
	if s := t.find(p); s != nil {
		return s
	}
	series, full := t.m.series(p)
	if !full {
		return t.newSlot(series)
	}
	t.overflowed++
	return t.overflow(p)
}

// find returns the slot that is there.
func (t *Tally) find(p *probe) *slot {
	mask := uint64(len(t.index) - 1)
	for at := spread(p.hash) >> 32 & mask; ; at = (at + 1) & mask {
		n := t.index[at]
		if n == 0 {
			return nil
		}
		if s := &t.slots[n-1]; s.hash == p.hash && s.key.is(p) {
			return s
		}
	}
}

// overflow is where a span without a series of its own is counted: with others
// of its service, or with all.
func (t *Tally) overflow(p *probe) *slot {
	p.name = t.m.overflowName
	p.hash = t.m.hash.of(t.serviceHash, p.name, p.kind, p.status)
	if s := t.find(p); s != nil {
		return s
	}
	if series := t.m.reserved(p); series != nil {
		return t.newSlot(series)
	}
	t.m.last(p)
	if s := t.find(p); s != nil {
		return s
	}
	return t.newSlot(t.m.newSeries(p, 1<<30))
}

func (t *Tally) newSlot(s *series) *slot {
	if 2*(len(t.slots)+1) > len(t.index) {
		t.index = make([]uint16, 2*len(t.index))
		for i := range t.slots {
			t.enter(i)
		}
	}
	t.slots = append(t.slots, slot{hash: s.hash, key: s.key, series: s, n: uint16(len(t.slots))})
	t.enter(len(t.slots) - 1)
	return &t.slots[len(t.slots)-1]
}

func (t *Tally) enter(n int) {
	mask := uint64(len(t.index) - 1)
	at := spread(t.slots[n].hash) >> 32 & mask
	for t.index[at] != 0 {
		at = (at + 1) & mask
	}
	t.index[at] = uint16(n + 1)
}

// Commit counts what was gathered: the request is answered 200.
func (t *Tally) Commit() {
	m := t.m
	now := m.now()
	m.mu.RLock()
	for _, n := range t.touched {
		s := &t.slots[n]
		if s.series.gone.Load() { // it was idle for a day, until now
			s.series = m.again(s.series)
		}
		c := &s.series.value
		c.latency.addCounts(s.mask, &s.counts)
		c.latency.addSum(s.sum)
		c.bytes.Add(s.bytes)
		if s.kept > 0 {
			c.kept.Add(uint64(s.kept))
			c.keptBytes.Add(s.keptBytes)
			c.examples.offer(&s.example, now, m.verdict)
		}
		s.series.use(now)
	}
	m.graph.add(t, now)
	m.mu.RUnlock()
	if t.overflowed > 0 {
		m.overflowed.Add(t.overflowed)
	}
	if !m.changed.Load() { // so that many do not write to one place
		m.changed.Store(true)
	}
	t.Discard()
}

// Discard forgets what was gathered: the request is not ours.
func (t *Tally) Discard() {
	for _, n := range t.touched {
		s := &t.slots[n]
		for ; s.mask != 0; s.mask &= s.mask - 1 {
			s.counts[bits.TrailingZeros64(s.mask)] = 0
		}
		s.sum, s.bytes, s.keptBytes, s.kept = 0, 0, 0, 0
	}
	t.touched = t.touched[:0]
	t.service, t.cutService, t.peer = nil, nil, nil
	t.self, t.user, t.overflowed, t.dropped = notYet, notYet, 0, 0
	t.halves = t.halves[:0]
	t.heads, t.sharded = [maxShards]int32{}, 0
	if len(t.slots) > cachedSlots || cap(t.halves) > cachedHalves {
		*t = newTally(t.m)
	}
	t.m.tallies.Put(t)
}

func newTally(m *Meter) Tally {
	return Tally{m: m, index: make([]uint16, firstIndex), self: notYet, user: notYet}
}
