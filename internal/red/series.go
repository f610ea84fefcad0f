package red

import "sync/atomic"

// Overflow stands for what has no series or node of its own: the span name of
// those of a service, and where there are too many services too, its name.
const Overflow = "_overflow"

// maxName is how many bytes of a name count. Longer ones are cut.
const maxName = 256

var kindNames = [...]string{
	"SPAN_KIND_UNSPECIFIED", "SPAN_KIND_INTERNAL", "SPAN_KIND_SERVER", "SPAN_KIND_CLIENT", "SPAN_KIND_PRODUCER", "SPAN_KIND_CONSUMER",
}

const (
	serverKind   = 2
	clientKind   = 3
	producerKind = 4
	consumerKind = 5
)

var statusNames = [...]string{"STATUS_CODE_UNSET", "STATUS_CODE_OK", "STATUS_CODE_ERROR"}

const errorStatus = 2

// counters are what a series counts.
type counters struct {
	latency   live
	bytes     atomic.Uint64
	kept      atomic.Uint64
	keptBytes atomic.Uint64
	examples  examples
	// as of when the current slot of the day began; its owner is who holds Meter.saving
	base totals
}

// totals are counters at one moment, or between two.
type totals struct {
	latency                Histogram
	bytes, kept, keptBytes uint64
}

func (c *counters) load() totals {
	return totals{c.latency.load(latencyScale), c.bytes.Load(), c.kept.Load(), c.keptBytes.Load()}
}

func (c *counters) store(t *totals) {
	c.latency.store(&t.latency)
	c.bytes.Store(t.bytes)
	c.kept.Store(t.kept)
	c.keptBytes.Store(t.keptBytes)
}

// Add adds others.
func (t *totals) add(o *totals) {
	t.latency.Add(&o.latency)
	t.bytes += o.bytes
	t.kept += o.kept
	t.keptBytes += o.keptBytes
}

func (t *totals) since(earlier *totals) {
	t.latency.since(&earlier.latency)
	t.bytes -= earlier.bytes
	t.kept -= earlier.kept
	t.keptBytes -= earlier.keptBytes
}

type series = item[counters]

// series finds the series of a span, or makes it. full: it is one of those that
// stand for all that have no room.
func (m *Meter) series(p *probe) (s *series, full bool) {
	if s := m.table.Load().find(p); s != nil {
		return s, false
	}
	if !m.full.Load() {
		if s := m.newSeries(p, m.maxSeries); s != nil {
			return s, false
		}
	}
	return nil, true
}

// newSeries makes a series, if the table then has at most so many.
func (m *Meter) newSeries(p *probe, most int) *series {
	m.making.Lock()
	defer m.making.Unlock()
	t := m.table.Load()
	if s := t.find(p); s != nil { // another was faster
		return s
	}
	if t.count >= most {
		if most == m.maxSeries {
			m.full.Store(true)
		}
		return nil
	}
	s := &series{key: p.key(), hash: p.hash, id: m.nextID}
	s.used.Store(m.now())
	m.nextID++
	t.put(s)
	return s
}

// reserved is the series of those of a service that have no room, if there is
// room for that.
func (m *Meter) reserved(p *probe) *series {
	if s := m.table.Load().find(p); s != nil {
		return s
	}
	return m.newSeries(p, reservedOf(m.maxSeries))
}

func reservedOf(most int) int { return most + most/4 }

// last makes a probe one for the series of all those without any room. There are
// as many as kinds and statuses, and always room for them.
func (m *Meter) last(p *probe) {
	p.tenant, p.service, p.name = "", m.overflowName, m.overflowName
	p.hash = m.hash.of(0, p.name, p.kind, p.status)
}

const lastSeries = len(kindNames) * len(statusNames)

// again is a series with the key of one that is gone.
func (m *Meter) again(s *series) *series {
	p := probe{s.hash, s.key.tenant, []byte(s.key.service), []byte(s.key.name), s.key.kind, s.key.status}
	if s := m.reserved(&p); s != nil {
		return s
	}
	m.last(&p)
	return m.newSeries(&p, 1<<30)
}

// cut shortens a name to what counts of it, at the start of a character.
func cut(name []byte) []byte {
	if len(name) <= maxName {
		return name
	}
	n := maxName
	for n > 0 && name[n]&0xc0 == 0x80 {
		n--
	}
	return name[:n]
}
