package spool

import "io"

// Damage is a range of a segment that holds no valid record.
type Damage struct {
	Position
	Bytes int64
	// Lost is what was in it: exact for a record whose header is whole, else
	// counted by the numbers of the records around it.
	Lost   Counts
	Tenant string // known only where the header is whole
	// Torn says that it was being written when the writer died. No record in it
	// was acknowledged, so Lost is zero. (Damage to the very last group that a
	// killed writer wrote cannot be told from this.)
	Torn bool

	index uint32 // of the first record lost
}

// damageOf is the damage of a range without a header, or of a frame with a
// damaged payload.
func damageOf(g *segment, p piece) Damage {
	d := Damage{Position: Position{g.id, p.Offset}, Bytes: p.Bytes, Lost: p.lost, index: p.index}
	if !p.damaged {
		d.Lost, d.Tenant = p.counts(), p.tenant
	}
	return d
}

// split divides d at claim, before which everything was synced.
func (d Damage) split(claim int64) (synced, torn Damage) {
	synced, torn = d, d
	synced.Bytes = min(d.Bytes, max(0, claim-d.Offset))
	torn.Offset += synced.Bytes
	torn.Bytes -= synced.Bytes
	torn.Torn, torn.Lost, torn.Tenant = true, Counts{}, ""
	return synced, torn
}

// note counts damage once, takes what is lost out of what is pending, and
// copies the bytes to quarantine.
func (s *Spool) note(f io.ReaderAt, g *segment, d Damage) {
	d, fresh := s.count(g, d)
	if !fresh {
		return
	}
	s.log.Warn("spool: found damage", "position", d.Position.String(), "bytes", d.Bytes,
		"torn", d.Torn, "records", d.Lost.Records, "spans", d.Lost.Spans)
	if err := s.quarantine.keep(f, g.identity, extent{d.Offset, d.Bytes}); err != nil {
		s.failed("quarantine", err)
	}
}

// count takes d into the sums, unless it is in them. It returns d with what is lost
// by it in truth: not what was released before.
func (s *Spool) count(g *segment, d Damage) (Damage, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if d.Torn {
		s.sums.Torn.Times++
		s.sums.Torn.Bytes += d.Bytes
		return d, true
	}
	if _, known := g.damage[d.Offset]; known || d.Offset < g.low.offset {
		return d, false
	}
	lost := int64(0)
	for i := range uint32(d.Lost.Records) {
		if !g.done.has(d.index + i) {
			g.done.set(d.index + i)
			lost++
		}
	}
	if lost < d.Lost.Records {
		// How many spans the others had is known once the segment is finished.
		d.Lost = Counts{Records: lost}
	}
	g.damage[d.Offset] = d
	g.gone.add(d.Tenant, d.Lost)
	g.dirty = true
	return d, true
}
