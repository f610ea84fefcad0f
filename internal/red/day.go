package red

import (
	"encoding/binary"
	"maps"
	"slices"
)

// day is what was counted in the last day, in slots.
type day struct {
	began int64 // unix seconds: the current slot, of which nothing is here yet
	slots []slotOfDay
}

// slotOfDay is what was counted between two times. It stays encoded: for every
// series and edge that had any, its id and numbers.
type slotOfDay struct {
	from, to int64
	text     []byte
}

const (
	slotSeconds = 300
	hourSeconds = 3600
	daySeconds  = 24 * hourSeconds
	maxSlots    = 200
)

// over says that the current slot ends. A clock that was set back ends it too.
func (d *day) over(now int64) bool {
	return now/slotSeconds != d.began/slotSeconds
}

// roll ends the current slot.
func (d *day) roll(s *snapshot, now int64) {
	var n numbers
	for i := range s.series {
		at := &s.series[i]
		counted := at.totals
		counted.since(&at.value.base)
		at.value.base = at.totals
		if counted.latency.mask() != 0 {
			n.series = append(n.series, seriesNumbers{at.id, counted})
		}
	}
	for i := range s.edges {
		at := &s.edges[i]
		counted := at.edgeTotals
		counted.since(&at.base)
		at.base = at.edgeTotals
		if counted.serverTime.mask() != 0 {
			n.edges = append(n.edges, edgeNumbers{at.id, counted})
		}
	}
	if len(n.series)+len(n.edges) > 0 {
		d.slots = append(d.slots, slotOfDay{d.began, now, n.encode()})
	}
	d.began = now
	d.thin(now)
}

// thin makes one slot of those of an hour that has passed, and drops what is
// older than a day.
func (d *day) thin(now int64) {
	var kept []slotOfDay
	for _, s := range d.slots {
		if s.to < now-daySeconds || s.from > now {
			continue
		}
		last := len(kept) - 1
		if last >= 0 && s.to <= now-hourSeconds && kept[last].from/hourSeconds == s.from/hourSeconds {
			sum := newSums()
			sum.add(kept[last].text)
			sum.add(s.text)
			kept[last].to, kept[last].text = s.to, sum.numbers().encode()
			continue
		}
		kept = append(kept, s)
	}
	if len(kept) > maxSlots { // of a clock that jumps
		kept = kept[len(kept)-maxSlots:]
	}
	d.slots = kept
}

// numbers are those of a slot.
type numbers struct {
	series []seriesNumbers
	edges  []edgeNumbers
}

type seriesNumbers struct {
	id uint32
	totals
}

type edgeNumbers struct {
	id uint32
	edgeTotals
}

func (n *numbers) encode() []byte {
	b := binary.AppendUvarint(nil, uint64(len(n.series)))
	for i := range n.series {
		b = appendTotals(binary.AppendUvarint(b, uint64(n.series[i].id)), &n.series[i].totals)
	}
	b = binary.AppendUvarint(b, uint64(len(n.edges)))
	for i := range n.edges {
		b = appendEdgeTotals(binary.AppendUvarint(b, uint64(n.edges[i].id)), &n.edges[i].edgeTotals)
	}
	return b
}

// sums adds slots up.
type sums struct {
	series map[uint32]*totals
	edges  map[uint32]*edgeTotals
}

func newSums() *sums {
	return &sums{map[uint32]*totals{}, map[uint32]*edgeTotals{}}
}

func (s *sums) add(text []byte) bool {
	d := decoder{b: text}
	for range d.count(20) {
		id, t := uint32(d.uvarint()), d.totals()
		s.addSeries(id, &t)
	}
	for range d.count(34) {
		id, t := uint32(d.uvarint()), d.edgeTotals()
		s.addEdge(id, &t)
	}
	return d.end() == nil
}

func (s *sums) addSeries(id uint32, t *totals) {
	if sum := s.series[id]; sum != nil {
		sum.add(t)
		return
	}
	s.series[id] = t
}

func (s *sums) addEdge(id uint32, t *edgeTotals) {
	if sum := s.edges[id]; sum != nil {
		sum.add(t)
		return
	}
	s.edges[id] = t
}

func (s *sums) numbers() *numbers {
	n := new(numbers)
	for _, id := range slices.Sorted(maps.Keys(s.series)) {
		n.series = append(n.series, seriesNumbers{id, *s.series[id]})
	}
	for _, id := range slices.Sorted(maps.Keys(s.edges)) {
		n.edges = append(n.edges, edgeNumbers{id, *s.edges[id]})
	}
	return n
}

// appendDay is the file of the day: the slots, and the counts as of the end of
// the last one.
func (m *Meter) appendDay(b []byte) []byte {
	b = append(b, dayFormat...)
	b = binary.AppendUvarint(b, uint64(m.day.began))
	b = binary.AppendUvarint(b, uint64(len(m.day.slots)))
	for _, s := range m.day.slots {
		b = binary.AppendUvarint(binary.AppendUvarint(b, uint64(s.from)), uint64(s.to))
		b = appendText(b, string(s.text))
	}
	var base numbers
	m.table.Load().each(func(i *series) { base.series = append(base.series, seriesNumbers{i.id, i.value.base}) })
	for _, e := range m.graph.all() {
		base.edges = append(base.edges, edgeNumbers{e.id, e.base})
	}
	return seal(append(b, base.encode()...))
}

// readDay takes over the slots. It comes after readState.
func (m *Meter) readDay(text []byte) error {
	text, err := unseal(text, dayFormat)
	if err != nil {
		return err
	}
	d := decoder{b: text}
	began := int64(d.uvarint())
	slots := make([]slotOfDay, d.count(4))
	for i := range slots {
		slots[i] = slotOfDay{from: int64(d.uvarint()), to: int64(d.uvarint())}
		n := d.count(1)
		slots[i].text = slices.Clone(d.take(n))
		if !newSums().add(slots[i].text) {
			d.fail()
		}
	}
	base := newSums()
	if d.failed || !base.add(d.b) {
		d.b = nil
		d.failed = true
		return d.end()
	}
	m.day = day{began: began, slots: slots}
	m.table.Load().each(func(i *series) { i.value.base = *atMost(base.series[i.id], &i.value) })
	for _, e := range m.graph.all() {
		e.base = edgeBase(base.edges[e.id], e)
	}
	return nil
}

// atMost is what a series had when the slot began: nothing if it is not there. A
// file of counts that is older than the day's was restored; then it is what is
// there now.
func atMost(base *totals, c *counters) *totals {
	now := c.load()
	if base == nil {
		return &totals{latency: Histogram{scale: latencyScale}}
	}
	for i, n := range base.latency.counts {
		if n > now.latency.counts[i] {
			return &now
		}
	}
	if base.bytes > now.bytes || base.kept > now.kept || base.keptBytes > now.keptBytes {
		return &now
	}
	return base
}

func edgeBase(base *edgeTotals, e *edge) edgeTotals {
	now := e.load()
	if base == nil {
		return edgeTotals{clientTime: Histogram{scale: edgeScale}, serverTime: Histogram{scale: edgeScale}}
	}
	for i := range base.serverTime.counts {
		if base.serverTime.counts[i] > now.serverTime.counts[i] || base.clientTime.counts[i] > now.clientTime.counts[i] {
			return now
		}
	}
	if base.failed > now.failed {
		return now
	}
	return *base
}
