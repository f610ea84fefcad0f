package tracetree

import (
	"cmp"
	"slices"
)

// MarkCritical finds the critical path and notes at each span on it for how
// long the trace waited for that span alone.
//
// It goes backwards through the root that ends last: of a span's children the
// one that ended last before the time that is looked at is what the span waited
// for, then the one that ended last before that one began, and so on. What is
// between them is the span's own time. A child that runs on after its parent is
// not waited for, as with asynchronous work.
func (t *Tree) MarkCritical() {
	root := t.last()
	if root == nil {
		return
	}
	type stretch struct {
		n     *Node
		until uint64
	}
	todo := []stretch{{root, root.EndTimeUnixNano}}
	for len(todo) > 0 {
		s := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		children := slices.Clone(s.n.Children)
		slices.SortStableFunc(children, func(x, y *Node) int {
			return cmp.Compare(y.EndTimeUnixNano, x.EndTimeUnixNano)
		})
		at, began := s.until, s.n.StartTimeUnixNano
		for _, c := range children {
			if c.EndTimeUnixNano > at || c.EndTimeUnixNano <= began || c.Duration() == 0 {
				continue
			}
			s.n.Critical += at - c.EndTimeUnixNano
			todo = append(todo, stretch{c, c.EndTimeUnixNano})
			at = max(c.StartTimeUnixNano, began)
		}
		if at > began {
			s.n.Critical += at - began
		}
	}
}

// last is the root, or else the orphan, that ends last.
func (t *Tree) last() (last *Node) {
	roots := t.Roots
	for i := 0; len(roots) == 0 && i < len(t.Orphans); i++ {
		roots = t.Orphans[i].Spans
	}
	for _, n := range roots {
		if last == nil || n.EndTimeUnixNano > last.EndTimeUnixNano {
			last = n
		}
	}
	return last
}
