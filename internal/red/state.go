package red

import "encoding/binary"

// appendState is the file of counts.
func (m *Meter) appendState(b []byte, s *snapshot, now int64) []byte {
	b = append(b, stateFormat...)
	b = binary.AppendUvarint(b, uint64(now))
	b = binary.AppendUvarint(b, uint64(m.nextID))
	b = binary.AppendUvarint(b, uint64(m.graph.nextEdge))
	for _, n := range []uint64{s.overflowed, s.edgeOverflow, s.unpaired, s.dropped} {
		b = binary.AppendUvarint(b, n)
	}
	b = binary.AppendUvarint(b, uint64(len(s.series)))
	for i := range s.series {
		at := &s.series[i]
		b = binary.AppendUvarint(b, uint64(at.id))
		b = binary.AppendUvarint(b, uint64(at.used.Load()))
		b = appendText(appendText(appendText(b, at.key.tenant), at.key.service), at.key.name)
		b = append(b, at.key.kind, at.key.status)
		b = appendTotals(b, &at.totals)
	}
	b = binary.AppendUvarint(b, uint64(len(s.edges)))
	for i := range s.edges {
		at := &s.edges[i]
		b = binary.AppendUvarint(b, uint64(at.id))
		b = binary.AppendUvarint(b, uint64(at.used.Load()))
		b = appendText(appendText(appendText(b, at.tenant), at.client), at.server)
		b = append(b, at.key.kind)
		b = appendEdgeTotals(b, &at.edgeTotals)
	}
	return seal(b)
}

type savedSeries struct {
	id     uint32
	used   int64
	key    key
	totals totals
}

type savedEdge struct {
	id                     uint32
	used                   int64
	tenant, client, server string
	kind                   uint8
	totals                 edgeTotals
}

// readState takes over what a file of counts has: all of it, or nothing.
func (m *Meter) readState(text []byte) error {
	text, err := unseal(text, stateFormat)
	if err != nil {
		return err
	}
	d := decoder{b: text}
	d.uvarint() // when it was written, for people
	nextID, nextEdge := uint32(d.uvarint()), uint32(d.uvarint())
	var numbers [4]uint64
	for i := range numbers {
		numbers[i] = d.uvarint()
	}
	series := make([]savedSeries, d.count(30))
	for i := range series {
		series[i] = savedSeries{
			uint32(d.uvarint()), int64(d.uvarint()),
			key{d.text(), d.text(), d.text(), d.byte() % uint8(len(kindNames)), d.byte() % uint8(len(statusNames))}, d.totals(),
		}
	}
	edges := make([]savedEdge, d.count(40))
	for i := range edges {
		edges[i] = savedEdge{uint32(d.uvarint()), int64(d.uvarint()), d.text(), d.text(), d.text(), d.byte() % uint8(len(connectionTypes)), d.edgeTotals()}
	}
	if err := d.end(); err != nil {
		return err
	}
	m.nextID, m.graph.nextEdge = nextID, nextEdge
	m.overflowed.Store(numbers[0])
	m.graph.overflow.Store(numbers[1])
	m.graph.unpaired.Store(numbers[2])
	m.graph.dropped.Store(numbers[3])
	for i := range series {
		m.restore(&series[i])
	}
	m.full.Store(m.table.Load().count >= m.maxSeries)
	for i := range edges {
		m.graph.restore(m.hash, &edges[i])
	}
	return nil
}

// restore makes a series as it was. Of a table that is smaller now, what has no
// room is counted with the rest.
func (m *Meter) restore(s *savedSeries) {
	tenant := m.hash.tenant(s.key.tenant)
	p := probe{tenant: s.key.tenant, service: []byte(s.key.service), name: []byte(s.key.name), kind: s.key.kind, status: s.key.status}
	if s.key.tenant != "" || s.key.service != Overflow || s.key.name != Overflow {
		p.hash = m.hash.of(m.hash.service(tenant, p.service), p.name, p.kind, p.status)
	} else {
		m.last(&p)
	}
	i, room := m.reserved(&p), true
	if i == nil {
		m.last(&p)
		i, room = m.newSeries(&p, 1<<30), false
	}
	all := i.value.load()
	all.add(&s.totals)
	i.value.store(&all)
	i.value.base = all
	if room {
		i.id = s.id
		i.used.Store(s.used)
	}
}

func (g *graph) restore(hash hasher, s *savedEdge) {
	tenant := hash.tenant(s.tenant)
	id := func(name string) uint32 {
		p := probe{tenant: s.tenant, service: []byte(name)}
		if name == Overflow {
			return overflowing
		}
		p.hash = hash.service(tenant, p.service)
		if n := g.newNode(&p); n != nil {
			return n.id
		}
		return overflowing
	}
	e := g.edge(edgeKey{id(s.client), id(s.server), s.kind})
	all := e.load()
	all.add(&s.totals)
	e.store(&all)
	e.base, e.id = all, s.id
	e.used.Store(max(s.used, e.used.Load()))
}
