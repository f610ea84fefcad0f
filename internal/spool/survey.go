package spool

import (
	"errors"
	"io"

	"appliance/internal/durable"
)

// survey reads all of a segment that has no footer and fills g with what it
// finds. What is damaged it splits in two by the group marks of the frames:
// bytes that were synced, hence acknowledged, are damage; bytes that no valid
// frame vouches for were being written when the end came, and are torn. Every
// valid frame is kept, torn ones around it or not.
func survey(f durable.File, g *segment, size int64) (damage []Damage, claim int64, err error) {
	w := walker{win: newWindow(f, wholeWindow), salt: g.salt, at: segmentStart, end: mark{offset: size}, open: true}
	claim = segmentHeader
	var bad []Damage
	var after []mark // where walking went on behind each of bad
	g.end = segmentStart
	for {
		p, err := w.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, 0, err
		}
		if p.damaged {
			bad, after = append(bad, damageOf(g, p)), append(after, w.at)
			continue
		}
		claim = max(claim, int64(p.group))
		if p.kind == kindFooter {
			g.end = mark{p.Offset, p.header.index, p.before}
			break
		}
		whole, err := w.intact(p)
		if err != nil {
			return nil, 0, err
		}
		if !whole {
			bad, after = append(bad, damageOf(g, p)), append(after, w.at)
			continue
		}
		if g.total.Records == 0 {
			g.oldest = p.time
		}
		g.total.add(p.tenant, p.counts())
		g.end = w.at
	}
	for i, d := range bad {
		synced, rest := d.split(claim)
		if synced.Bytes > 0 {
			g.total.add(synced.Tenant, synced.Lost)
			damage = append(damage, synced)
		}
		if rest.Bytes > 0 {
			damage = append(damage, rest)
			if rest.Offset < g.end.offset {
				g.torn = append(g.torn, torn{extent{rest.Offset, rest.Bytes}, after[i].index, after[i].before})
			}
		}
	}
	g.sealed = true
	return damage, claim, nil
}
