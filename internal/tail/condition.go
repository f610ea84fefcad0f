package tail

import (
	"errors"
	"fmt"
	"slices"

	"appliance/internal/traceql"
)

// condition is when a rule matches: all of its parts must hold.
type condition struct {
	atoms    []int // what some span must answer, or the root
	duration []*traceql.SpanFilter
	spans    []func(traceql.Value) bool
	root     *bool // whether a root must have come
}

// part is what an expression is about.
type part int

const (
	ofSpan part = iota
	ofRoot
	ofDuration
)

func (p part) String() string {
	return [...]string{"a span", "the root of the trace", "the duration of the trace"}[p]
}

// condition compiles the when of a rule.
func (rs *rules) condition(text string) (c condition, err error) {
	if text == "" {
		return c, nil
	}
	q, err := traceql.Parse(text)
	if err != nil {
		return c, err
	}
	filter, err := onlyFilter(q)
	if err != nil {
		return c, err
	}
	// One span has to meet all that is asked of spans.
	var together traceql.FieldExpr
	for _, x := range conjuncts(filter.Expr) {
		p, err := about(x)
		if err != nil {
			return c, err
		}
		switch {
		case p == ofSpan && together == nil:
			together = x
		case p == ofSpan:
			together = &traceql.Binary{At: x.Position(), Op: traceql.OpAnd, LHS: together, RHS: x}
		case p == ofDuration:
			f, err := traceql.CompileSpanFilter(swapped(x))
			if err != nil {
				return c, err
			}
			c.duration = append(c.duration, f)
		default:
			if err := rs.rootPart(&c, x); err != nil {
				return c, err
			}
		}
	}
	if together != nil {
		if err := traceql.SpanProblem(together, func(traceql.Intrinsic) bool { return false }); err != nil {
			return c, err
		}
		i, err := rs.atom(together, false)
		if err != nil {
			return c, err
		}
		c.atoms = append(c.atoms, i)
	}
	return c, rs.counted(&c, q, together != nil)
}

// onlyFilter is the one { } of a query, which may count() the spans of the trace
// besides.
func onlyFilter(q *traceql.Query) (*traceql.Filter, error) {
	if q.Metric != nil {
		return nil, errors.New("is a metric, and a rule needs a filter of spans, { ... }")
	}
	if len(q.Hints) > 0 {
		return nil, errors.New("with(...) means nothing here; remove it")
	}
	switch s := q.Spans.Stages[0].(type) {
	case *traceql.Filter:
		return s, nil
	case *traceql.SpansetBinary:
		if s.Op.Structural() {
			return nil, fmt.Errorf("%s is about where spans are in the tree of a trace, which is not known while they pass one by one", s.Op)
		}
		return nil, fmt.Errorf("%s joins sets of spans, which takes the whole trace; write one { }, or a rule for each", s.Op)
	}
	return nil, errors.New("is a pipeline, which needs all spans of a trace at once; write one { }")
}

// counted takes in | count() > N behind a filter.
func (rs *rules) counted(c *condition, q *traceql.Query, ofSpans bool) error {
	stages := q.Spans.Stages[1:]
	if len(stages) == 0 {
		return nil
	}
	s, ok := stages[0].(*traceql.ScalarFilter)
	if !ok || len(stages) > 1 || s.Agg.Func != traceql.AggregateCount {
		return errors.New("is a pipeline, which needs all spans of a trace at once; of these only { } | count() > N is known")
	}
	if ofSpans {
		return errors.New("count() is known for all spans of a trace and not for some of them; leave the filter empty, { } | count() > N")
	}
	c.spans = append(c.spans, traceql.CompareWith(s.Op, s.Value))
	return nil
}

// conjuncts are what an expression joins by &&.
func conjuncts(x traceql.FieldExpr) []traceql.FieldExpr {
	switch b, ok := x.(*traceql.Binary); {
	case x == nil:
		return nil
	case ok && b.Op == traceql.OpAnd:
		return slices.Concat(conjuncts(b.LHS), conjuncts(b.RHS))
	}
	return []traceql.FieldExpr{x}
}

// about says what an expression is about, which must be one thing.
func about(x traceql.FieldExpr) (part, error) {
	var seen [3]bool
	traceql.EachAttribute(x, func(a *traceql.Attribute) {
		switch a.Intrinsic {
		case traceql.IntrinsicRootName, traceql.IntrinsicRootService:
			seen[ofRoot] = true
		case traceql.IntrinsicTraceDuration:
			seen[ofDuration] = true
		default:
			seen[ofSpan] = true
		}
	})
	var found []part
	for p, is := range seen {
		if is {
			found = append(found, part(p))
		}
	}
	switch len(found) {
	case 0:
		return ofSpan, nil
	case 1:
		return found[0], nil
	}
	return 0, fmt.Errorf("%s asks about %s and %s at once; join them by && or write a rule for each", x, found[0], found[1])
}

// rootPart takes in what is asked of the root. = nil asks whether one came.
func (rs *rules) rootPart(c *condition, x traceql.FieldExpr) error {
	if b, ok := x.(*traceql.Binary); ok && (b.Op == traceql.OpEq || b.Op == traceql.OpNotEq) {
		if lit, ok := b.RHS.(*traceql.Literal); ok && lit.Kind == traceql.TypeNil {
			c.root = new(b.Op == traceql.OpNotEq)
			return nil
		}
	}
	i, err := rs.atom(swapped(x), true)
	if err == nil {
		c.atoms = append(c.atoms, i)
	}
	return err
}

// swapped asks of one span what is asked of the trace: its name for rootName, and
// its duration for traceDuration.
func swapped(x traceql.FieldExpr) traceql.FieldExpr {
	switch x := x.(type) {
	case *traceql.Attribute:
		switch x.Intrinsic {
		case traceql.IntrinsicRootName:
			return &traceql.Attribute{At: x.At, Intrinsic: traceql.IntrinsicName}
		case traceql.IntrinsicRootService:
			return &traceql.Attribute{At: x.At, Scope: traceql.ScopeResource, Name: "service.name"}
		case traceql.IntrinsicTraceDuration:
			return &traceql.Attribute{At: x.At, Intrinsic: traceql.IntrinsicDuration}
		}
	case *traceql.Unary:
		return &traceql.Unary{At: x.At, Op: x.Op, X: swapped(x.X)}
	case *traceql.Binary:
		return &traceql.Binary{At: x.At, Op: x.Op, LHS: swapped(x.LHS), RHS: swapped(x.RHS)}
	}
	return x
}

// met says whether a trace meets the condition.
func (c *condition) met(t *trace, atoms []atom) bool {
	rooted := t.flags&hasRoot != 0
	for _, i := range c.atoms {
		met := t.met&(1<<i) != 0
		if atoms[i].root && !rooted {
			met = atoms[i].absent
		}
		if !met {
			return false
		}
	}
	if c.root != nil && *c.root != rooted {
		return false
	}
	for _, holds := range c.spans {
		if !holds(traceql.IntValue(int64(t.spans))) {
			return false
		}
	}
	if len(c.duration) == 0 {
		return true
	}
	whole := traceql.OneSpan{Start: t.start, End: t.end}
	for _, f := range c.duration {
		if !f.Match(&whole) {
			return false
		}
	}
	return true
}
