package traceql

import (
	"cmp"
	"slices"
	"sort"
)

// binaryStage joins what two expressions find in each set.
type binaryStage struct {
	op   Op
	l, r operandStages
}

// operandStages is one side of a binaryStage: a filter, another binaryStage, or
// a pipeline in parentheses.
type operandStages []stage

func (c *compiler) binary(s *SpansetBinary) (stage, error) {
	l, err := c.operand(s.LHS)
	if err != nil {
		return nil, err
	}
	r, err := c.operand(s.RHS)
	return binaryStage{s.Op, l, r}, err
}

func (c *compiler) operand(x SpansetExpr) (operandStages, error) {
	var stages []Stage
	switch x := x.(type) {
	case *Pipeline:
		stages = x.Stages
	case Stage:
		stages = []Stage{x}
	}
	var out operandStages
	for _, s := range stages {
		compiled, err := c.stage(s)
		if err != nil {
			return nil, err
		}
		if compiled != nil {
			out = append(out, compiled)
		}
	}
	return out, nil
}

func (o operandStages) lead(p *plan, e *evaluation) (*Bitmap, error) {
	if len(o) > 0 {
		if l, ok := o[0].(leader); ok {
			return l.lead(p, e)
		}
	}
	return nil, nil
}

// lead is the right side for all but unions, of which an answer may be on either
// side.
func (s binaryStage) lead(p *plan, e *evaluation) (*Bitmap, error) {
	right, err := s.r.lead(p, e)
	if err != nil || right == nil || s.op != OpOr {
		return right, err
	}
	left, err := s.l.lead(p, e)
	if err != nil || left == nil {
		return nil, err
	}
	both := left.Clone()
	both.Or(right)
	return both, nil
}

func (o operandStages) find(t *trace, set spanset) ([]uint32, error) {
	sets := []spanset{{spans: set.spans}}
	for _, s := range o {
		var err error
		if sets, err = s.run(t, sets); err != nil || len(sets) == 0 {
			return nil, err
		}
	}
	return flatten(sets), nil
}

func (s binaryStage) run(t *trace, in []spanset) ([]spanset, error) {
	out := in[:0]
	for _, set := range in {
		found, err := s.join(t, set)
		if err != nil {
			return nil, err
		}
		if len(found) > 0 {
			out = append(out, spanset{found, set.attrs})
		}
	}
	return out, nil
}

func (s binaryStage) join(t *trace, set spanset) ([]uint32, error) {
	right, err := s.r.find(t, set)
	if err != nil || len(right) == 0 && s.op != OpOr {
		return nil, err
	}
	left, err := s.l.find(t, set)
	if err != nil || len(left) == 0 && s.op != OpOr {
		return nil, err
	}
	if s.op == OpAnd || s.op == OpOr {
		return union(left, right), nil
	}
	tree, err := t.tree()
	if err != nil {
		return nil, err
	}
	rel, negated, both := relationOf(s.op)
	found := rel.find(tree, left, right, negated)
	if both && len(found) > 0 {
		found = union(found, rel.inverse().find(tree, right, left, false))
	}
	return found, nil
}

// relation is how the right span of a pair stands to the left one.
type relation uint8

const (
	isChild relation = iota
	isParent
	isDescendant
	isAncestor
	isSibling
)

func relationOf(op Op) (rel relation, negated, both bool) {
	negated = op >= OpNotChild && op <= OpNotSibling
	both = op >= OpUnionChild
	switch op {
	case OpChild, OpNotChild, OpUnionChild:
		rel = isChild
	case OpParent, OpNotParent, OpUnionParent:
		rel = isParent
	case OpDescendant, OpNotDescendant, OpUnionDescendant:
		rel = isDescendant
	case OpAncestor, OpNotAncestor, OpUnionAncestor:
		rel = isAncestor
	default:
		rel = isSibling
	}
	return rel, negated, both
}

func (r relation) inverse() relation {
	switch r {
	case isChild:
		return isParent
	case isParent:
		return isChild
	case isDescendant:
		return isAncestor
	case isAncestor:
		return isDescendant
	default:
		return isSibling
	}
}

// tree has the nested set of each span of a batch: a span's descendants have a
// left and a right between its own. parent is the left of its parent, -1 for a
// root. All three are 0 for a span whose place is not known; it stands in no
// relation to any other.
type tree struct{ left, right, parent []int64 }

func (t *trace) tree() (*tree, error) {
	var out tree
	for f, to := range map[Intrinsic]*[]int64{
		IntrinsicNestedSetLeft: &out.left, IntrinsicNestedSetRight: &out.right,
		IntrinsicNestedSetParent: &out.parent,
	} {
		v, err := t.e.column(intrinsic(f), nil)
		if err != nil {
			return nil, err
		}
		if len(v.Parts) != 1 || v.Parts[0].Rows != nil {
			*to = make([]int64, t.e.spans)
			continue
		}
		*to = v.Parts[0].Ints
	}
	return &out, nil
}

// find returns the right spans that have the relation to any of the left ones,
// or, negated, to none.
func (r relation) find(t *tree, left, right []uint32, negated bool) []uint32 {
	related := r.index(t, left)
	var out []uint32
	for _, i := range right {
		if related(i) != negated {
			out = append(out, i)
		}
	}
	return out
}

// index returns a function that says whether a span has the relation to any of
// the left ones, in logarithmic time.
func (r relation) index(t *tree, left []uint32) func(uint32) bool {
	switch r {
	case isChild:
		return oneOf(t.left, t.parent, left)
	case isParent:
		return oneOf(t.parent, t.left, left)
	case isSibling:
		return siblings(t, left)
	}
	placed := slices.DeleteFunc(slices.Clone(left), func(i uint32) bool { return t.left[i] == 0 })
	slices.SortFunc(placed, func(a, b uint32) int { return cmp.Compare(t.left[a], t.left[b]) })
	if r == isDescendant {
		return inside(t, placed)
	}
	return around(t, placed)
}

// oneOf says whether want[i] is have[j] for any j of left.
func oneOf(have, want []int64, left []uint32) func(uint32) bool {
	set := make(map[int64]bool, len(left))
	for _, j := range left {
		set[have[j]] = true
	}
	return func(i uint32) bool { return want[i] != 0 && set[want[i]] }
}

// siblings says whether another span has the same parent.
func siblings(t *tree, left []uint32) func(uint32) bool {
	number, member := map[int64]int{}, map[uint32]bool{}
	for _, j := range left {
		number[t.parent[j]]++
		member[j] = true
	}
	return func(i uint32) bool {
		n := number[t.parent[i]]
		if member[i] {
			n--
		}
		return t.parent[i] != 0 && n > 0
	}
}

// inside says whether any of the spans, in the order of their left, encloses i.
func inside(t *tree, sorted []uint32) func(uint32) bool {
	reach := make([]int64, len(sorted)) // the highest right so far
	for k, j := range sorted {
		reach[k] = t.right[j]
		if k > 0 {
			reach[k] = max(reach[k], reach[k-1])
		}
	}
	return func(i uint32) bool {
		k := sort.Search(len(sorted), func(k int) bool { return t.left[sorted[k]] >= t.left[i] })
		return t.left[i] != 0 && k > 0 && reach[k-1] > t.right[i]
	}
}

// around says whether i encloses any of the spans.
func around(t *tree, sorted []uint32) func(uint32) bool {
	least := make([]int64, len(sorted)) // the lowest right from here on
	for k := len(sorted) - 1; k >= 0; k-- {
		least[k] = t.right[sorted[k]]
		if k+1 < len(sorted) {
			least[k] = min(least[k], least[k+1])
		}
	}
	return func(i uint32) bool {
		k := sort.Search(len(sorted), func(k int) bool { return t.left[sorted[k]] > t.left[i] })
		return t.left[i] != 0 && k < len(sorted) && least[k] < t.right[i]
	}
}
