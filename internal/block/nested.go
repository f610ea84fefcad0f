package block

import (
	"bytes"
	"hash/maphash"
)

// nested are a span's numbers in the nested set of its trace, and the left
// number of its parent; that of a root is -1. All are 0 where the span's place
// in the tree is not known.
type nested struct{ left, right, parent int32 }

// nesting numbers the spans of traces, one trace after the other.
type nesting struct {
	seed     maphash.Seed
	slots    []sharedID // of a trace; a power of two, at most half taken
	children []siblings // by span
}

// sharedID is an identifier with the first two spans that have it.
type sharedID struct {
	n             int32 // spans
	first, second int32
}

// siblings are the children of a span, in the order of the block, and the next
// child of its own parent; -1 is none.
type siblings struct {
	parent, first, last, next int32
}

// number numbers spans, which order puts in the order of the block, as Tempo
// does. A trace without a root, or with three spans of one id, is not numbered.
func (n *nesting) number(spans []spanHead, order []int32) {
	if !n.index(spans, order) {
		return
	}
	n.children = n.children[:0]
	for range spans {
		n.children = append(n.children, siblings{-1, -1, -1, -1})
	}
	rooted := false
	for _, i := range order {
		if len(spans[i].parent) == 0 {
			rooted = true
			continue
		}
		p := n.parent(spans, &spans[i])
		if p < 0 {
			continue
		}
		n.children[i].parent = p
		if n.children[p].first < 0 {
			n.children[p].first = i
		} else {
			n.children[n.children[p].last].next = i
		}
		n.children[p].last = i
	}
	if !rooted {
		return
	}
	counter := int32(1)
	for _, i := range order {
		if len(spans[i].parent) == 0 {
			counter = n.walk(spans, i, counter)
		}
	}
}

// index finds the spans of each id. It returns false if an id has three.
func (n *nesting) index(spans []spanHead, order []int32) bool {
	size := minSlots
	for size < 2*len(spans) {
		size *= 2
	}
	if size > cap(n.slots) {
		n.slots = make([]sharedID, size)
	}
	n.slots = n.slots[:size]
	clear(n.slots)
	for _, i := range order {
		s := n.find(spans, spans[i].id)
		switch s.n++; s.n {
		case 1:
			s.first = i
		case 2:
			s.second = i
		default:
			return false
		}
	}
	return true
}

// find returns the slot of an id, or the free one where it belongs.
func (n *nesting) find(spans []spanHead, id []byte) *sharedID {
	mask := len(n.slots) - 1
	for i := int(maphash.Bytes(n.seed, id)) & mask; ; i = (i + 1) & mask {
		if s := &n.slots[i]; s.n == 0 || bytes.Equal(spans[s.first].id, id) {
			return s
		}
	}
}

// parent returns the parent of a span, or -1. Of a client and a server with one
// id, as Zipkin has them, a server's parent is the client and that of others
// the server.
func (n *nesting) parent(spans []spanHead, s *spanHead) int32 {
	p := n.find(spans, s.parent)
	switch p.n {
	case 0:
		return -1
	case 1:
		return p.first
	}
	want := int32(kindServer)
	if s.kind == kindServer {
		want = kindClient
	}
	switch want {
	case spans[p.first].kind:
		return p.first
	case spans[p.second].kind:
		return p.second
	}
	return -1
}

// walk numbers a root and all below it, from counter on, and returns what comes
// after. It does not recurse: a chain may be as long as its trace.
func (n *nesting) walk(spans []spanHead, root, counter int32) int32 {
	spans[root].nested = nested{left: counter, parent: -1}
	counter++
	for i := root; ; {
		if child := n.children[i].first; child >= 0 {
			spans[child].nested = nested{left: counter, parent: spans[i].nested.left}
			counter++
			i = child
			continue
		}
		for {
			spans[i].nested.right = counter
			counter++
			if i == root {
				return counter
			}
			if next := n.children[i].next; next >= 0 {
				spans[next].nested = nested{left: counter, parent: spans[n.children[i].parent].nested.left}
				counter++
				i = next
				break
			}
			i = n.children[i].parent
		}
	}
}
