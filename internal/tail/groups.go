package tail

import (
	"hash/maphash"
	"strings"

	"appliance/internal/traceql"
)

// groups are the values that traces have of the attributes of per, each
// combination once. 0 has none of them yet.
//
// A value is held as a hash, since its client chooses how long it is. A
// combination that no open trace has had for a minute makes room for another.
type groups struct {
	list   []combination
	free   []uint32 // places in list
	number map[hashes]uint32
	seed   maphash.Seed
	round  uint64 // grows with each sweep
	room   []byte
}

// combination is a value of each attribute of per.
type combination struct {
	values hashes
	used   uint64 // the round in which it last was
}

// hashes are those of some values, 8 bytes each.
type hashes string

const hashBytes = 8

func (h hashes) at(i int) hashes { return h[i*hashBytes:][:hashBytes] }

// missing is the hash of an attribute that no span has.
const missing = "\x00\x00\x00\x00\x00\x00\x00\x00"

const (
	// maxGroups bounds the combinations; what is above it counts as one without
	// any value.
	maxGroups = 4096
	// toldApart is how many bytes of a value tell it from another of its length.
	toldApart = 256
	// unusedFor is the rounds, of foldEvery at least, for which a combination and
	// its rates are held unused. A rate has no debt left then.
	unusedFor = 6
)

func newGroups(fields int) *groups {
	none := combination{values: hashes(strings.Repeat(missing, fields))}
	return &groups{list: []combination{none}, number: map[hashes]uint32{}, seed: maphash.MakeSeed()}
}

// with is the group after one more span: the root's values count, else those of
// the first span that has any.
func (g *groups) with(was uint32, fields []traceql.Field, s *traceql.OneSpan, root bool) uint32 {
	have := g.list[was].values
	now := append(g.room[:0], have...)
	g.room = now
	for i, f := range fields {
		if !root && have.at(i) != missing {
			continue
		}
		var room [4]traceql.Value
		if values := s.Values(f, room[:0]); len(values) > 0 {
			g.appendHash(now[:i*hashBytes], values[0].String()) // in its place
		}
	}
	if string(now) == string(have) {
		return was
	}
	if n, ok := g.number[hashes(now)]; ok {
		g.list[n].used = g.round
		return n
	}
	return g.add(hashes(now))
}

// appendHash appends the hash of a value, which is not missing.
func (g *groups) appendHash(to []byte, value string) []byte {
	var h maphash.Hash
	h.SetSeed(g.seed)
	maphash.WriteComparable(&h, len(value))
	_, _ = h.WriteString(value[:min(len(value), toldApart)]) // never fails
	if to = h.Sum(to); string(to[len(to)-hashBytes:]) == missing {
		to[len(to)-1] = 1
	}
	return to
}

// add is the group of a combination that is not there yet.
func (g *groups) add(values hashes) uint32 {
	n := uint32(len(g.list))
	switch last := len(g.free) - 1; {
	case last >= 0:
		n, g.free = g.free[last], g.free[:last]
	case len(g.list) == maxGroups:
		return 0
	default:
		g.list = append(g.list, combination{})
	}
	g.list[n] = combination{values, g.round}
	g.number[values] = n
	return n
}

// sweep begins a round, and drops what no open trace has used for long.
func (g *groups) sweep(open *table[trace, *trace]) {
	g.round++
	for n := open.first; n < open.next; n++ {
		g.list[open.at(n).group].used = g.round
	}
	for values, n := range g.number {
		if g.unused(g.list[n].used) {
			delete(g.number, values)
			g.free = append(g.free, n)
		}
	}
}

// unused says that what was used in a round has not been for long.
func (g *groups) unused(round uint64) bool { return g.round-round > unusedFor }

// forgetValues drops the values of per that no trace has any more, and their
// rates.
func (l *Line) forgetValues() {
	if len(l.values.number) == 0 {
		return
	}
	l.values.sweep(l.open)
	for k, r := range l.rates {
		if l.values.unused(r.used) {
			delete(l.rates, k)
		}
	}
}
