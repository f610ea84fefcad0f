package traceql

import "math"

// numbersFound are the numbers that any of some comparisons finds, each of the type
// of its own literal. Asking does not take longer the more comparisons there are:
// of those with one operator and one type the widest alone is kept.
type numbersFound struct {
	all    bool
	equal  map[Value]bool
	others []*Predicate // with other operators than =
}

func (n *numbersFound) add(p *Predicate) {
	switch {
	case p.asksPresence():
		n.all = true
		return
	case math.IsNaN(p.Value.Float()) && p.Op != OpNotEq:
		return // finds nothing
	case p.Op == OpEq:
		n.equal[plainZero(p.Value)] = true
		return
	}
	same := 0
	for i, o := range n.others {
		if o.Op != p.Op || o.Value.Type != p.Value.Type {
			continue
		}
		if p.Op != OpNotEq {
			if wider(p, o) {
				n.others[i] = p
			}
			return
		}
		if same++; same == 2 || compareValues(OpEq, o.Value, p.Value) {
			return // two that differ find everything
		}
	}
	n.others = append(n.others, p)
}

// wider says whether p finds all that o finds, and more. They differ in their value
// alone.
func wider(p, o *Predicate) bool {
	if p.Op == OpLess || p.Op == OpLessEq {
		return !compareValues(OpLessEq, p.Value, o.Value)
	}
	return !compareValues(OpGreaterEq, p.Value, o.Value)
}

func (n *numbersFound) has(v Value) bool {
	if n == nil {
		return false
	}
	if n.all || n.equal[plainZero(v)] {
		return true
	}
	for _, p := range n.others {
		if p.Value.Type == v.Type && compareValues(p.Op, v, p.Value) {
			return true
		}
	}
	return false
}

// plainZero makes -0 the zero that it is equal to.
func plainZero(v Value) Value {
	if v.Type == TypeFloat && v.Float() == 0 {
		return FloatValue(0)
	}
	return v
}
