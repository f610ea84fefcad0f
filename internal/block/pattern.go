package block

import "bytes"

// pattern is a sequence of attributes by their keys and the kinds of their values.
// Spans of one operation mostly have the same, so a frame has the number of a
// pattern and the values alone, and what follows from it for the levels of the
// columns is computed once. The patterns of a block are a tree: each is another,
// and one more attribute.
type pattern struct {
	id      uint32
	parent  *pattern
	length  int
	key     []byte
	keyWord uint32
	kind    uint8
	special int8   // place in spanSpecials of an attribute with a column of its own, or -1
	base    uint64 // of the attribute's hash: all but the value

	last *pattern // the longer one that came last

	guess          uint32 // the text that came last, plus 1
	looked, unique int    // texts that were looked up, and that were new
	layout         *patternLayout
}

type patternKey struct {
	parent, key uint32
	kind        uint8
}

// patterns are those of a block.
type patterns struct {
	all  []*pattern // by their number; the first has no attribute
	byID map[patternKey]*pattern
}

// Bounds of patterns. A span whose pattern is beyond them is kept as it is.
const (
	maxPatterns      = 1 << 12
	maxPatternLength = 128
)

func newPatterns() patterns {
	return patterns{all: []*pattern{{special: -1}}, byID: make(map[patternKey]*pattern)}
}

// next is the pattern with one more attribute, or nil beyond the bounds.
func (p *pattern) next(all *patterns, words *vocabulary, key []byte, kind uint8) *pattern {
	if c := p.last; c != nil && c.kind == kind && string(c.key) == string(key) {
		return c
	}
	c := all.find(words, p, key, kind)
	if c != nil {
		p.last = c
	}
	return c
}

func (t *patterns) find(words *vocabulary, p *pattern, key []byte, kind uint8) *pattern {
	word, _, ok := words.find(key)
	if !ok || p.length == maxPatternLength {
		return nil
	}
	k := patternKey{p.id, word, kind}
	if c := t.byID[k]; c != nil || len(t.all) == maxPatterns {
		return c
	}
	c := &pattern{
		id: uint32(len(t.all)), parent: p, length: p.length + 1, key: bytes.Clone(key), keyWord: word, kind: kind, special: -1,
		base: fold(hashAttribute, words.hashes[word]) + valueHashKind[kind],
	}
	for i, s := range spanSpecials {
		if s.key == string(key) && kind == spanSpecialKinds[i] {
			c.special = int8(i)
		}
	}
	t.all = append(t.all, c)
	t.byID[k] = c
	return c
}

// unlike says that a text of this attribute is mostly one that did not occur yet,
// such as an id. Looking it up twice is then of no use.
func (p *pattern) unlike() bool { return p.unique > manyUnique && 2*p.unique > p.looked }

const manyUnique = 256

// attributes are the patterns up to this one, each of which ends with an attribute.
func (p *pattern) attributes() []*pattern {
	nodes := make([]*pattern, p.length)
	for n := p; n.length > 0; n = n.parent {
		nodes[n.length-1] = n
	}
	return nodes
}

// patternLayout is what a pattern is in the columns of attributes.
type patternLayout struct {
	steps []patternStep
	keys  []uint32                // words, of attributes without a column of their own
	defs  [anyDouble + 1][]uint8  // their levels in the column of a kind; nil if none is of it
	last  [len(spanSpecials)]int8 // the step that counts of those with a column of their own, or -1
	lost  int64                   // those that do not

	group  int      // the row group whose dictionary the places are of; 0 for none
	places []uint32 // of keys
}

// patternStep is one attribute.
type patternStep struct {
	kind    uint8
	special int8
}

// laidOut returns the layout of a pattern, given the level of definition of an
// attribute.
func (p *pattern) laidOut(def uint8) *patternLayout {
	if p.layout != nil {
		return p.layout
	}
	l := &patternLayout{steps: make([]patternStep, p.length), last: [len(spanSpecials)]int8{-1, -1, -1}}
	nodes := p.attributes()
	for i, n := range nodes {
		l.steps[i] = patternStep{n.kind, n.special}
		if n.special < 0 {
			l.keys = append(l.keys, n.keyWord)
			continue
		}
		if l.last[n.special] >= 0 {
			l.lost++
		}
		l.last[n.special] = int8(i)
	}
	at := 0
	for _, n := range nodes {
		if n.special >= 0 {
			continue
		}
		if l.defs[n.kind] == nil {
			l.defs[n.kind] = make([]uint8, len(l.keys))
			fillLevels(l.defs[n.kind], def)
		}
		l.defs[n.kind][at] = def + 1
		at++
	}
	p.layout = l
	return l
}

func fillLevels(levels []uint8, level uint8) {
	for i := range levels {
		levels[i] = level
	}
}
