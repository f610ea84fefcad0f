package traceql

import "strings"

// query reads what may stand alone or in parentheses, without hints: a
// *Pipeline or a MetricExpr.
func (p *parser) query() (node, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.leave()
	t := p.peek()
	switch {
	case t.is("{"), t.is("("), t.beginsNumber():
		x, err := p.expr(0)
		if err != nil {
			return nil, err
		}
		switch x := x.(type) {
		case MetricExpr:
			return p.metricStages(x)
		case *Pipeline:
			return x, nil
		case SpansetExpr:
			first, plain := x.(Stage)
			if b, ok := x.(*SpansetBinary); ok && b.ofPipelines() {
				return &Pipeline{Stages: []Stage{first}}, nil
			}
			if plain {
				return p.pipeline(first)
			}
		}
		return nil, p.unexpected("|")
	case t.is("by"), t.is("select"):
		first, err := p.stage()
		if err != nil {
			return nil, err
		}
		return p.pipeline(first)
	case aggregateOf(t) != nil:
		first, err := p.scalarFilter()
		if err != nil {
			return nil, err
		}
		return p.pipeline(first)
	}
	return nil, p.unexpected("{, (, by, select or an aggregate such as count()")
}

// ofPipelines says whether pipelines in parentheses are joined.
func (x *SpansetBinary) ofPipelines() bool {
	switch r := x.RHS.(type) {
	case *Pipeline:
		return true
	case *SpansetBinary:
		return r.ofPipelines()
	default:
		return false
	}
}

// pipeline reads the stages behind the first one. It is a MetricExpr if one of
// them is a function of metrics.
func (p *parser) pipeline(first Stage) (node, error) {
	x := &Pipeline{Stages: []Stage{first}}
	for p.peek().is("|") {
		if metricOf(p.tokens[1]) {
			p.next()
			m, err := p.metric(x)
			if err != nil {
				return nil, err
			}
			return p.metricStages(m)
		}
		if len(x.Stages) == MaxStages {
			return nil, errorAt(p.peek().at, "the pipeline has more than %d stages", MaxStages)
		}
		p.next()
		s, err := p.stage()
		if err != nil {
			return nil, err
		}
		x.Stages = append(x.Stages, s)
	}
	return x, nil
}

// stage reads what may stand behind | in a pipeline, besides metrics.
func (p *parser) stage() (Stage, error) {
	t := p.peek()
	switch {
	case t.is("{"), t.is("("):
		x, err := p.expr(0)
		if err != nil {
			return nil, err
		}
		if s, ok := x.(Stage); ok {
			if b, binary := s.(*SpansetBinary); !binary || !b.ofPipelines() {
				return s, nil
			}
		}
		return nil, errorAt(t.at, "a pipeline in parentheses cannot follow |")
	case t.is("by"):
		return p.group()
	case t.is("coalesce"):
		p.next()
		if err := p.expect("("); err != nil {
			return nil, err
		}
		return &Coalesce{At: t.at}, p.expect(")")
	case t.is("select"):
		p.next()
		attrs, err := p.attributes()
		return &Select{At: t.at, Attrs: attrs}, err
	case aggregateOf(t) != nil:
		return p.scalarFilter()
	}
	return nil, p.unexpected("{, by, coalesce, select, an aggregate or a function of metrics")
}

func (p *parser) group() (Stage, error) {
	at := p.next().at
	if err := p.expect("("); err != nil {
		return nil, err
	}
	x, err := p.field(0)
	if err != nil {
		return nil, err
	}
	return &Group{At: at, Expr: x}, p.expect(")")
}

// filter reads { ... }.
func (p *parser) filter() (*Filter, error) {
	f := &Filter{At: p.peek().at}
	if err := p.expect("{"); err != nil {
		return nil, err
	}
	if p.accept("}") {
		return f, nil
	}
	x, err := p.field(0)
	if err != nil {
		return nil, err
	}
	f.Expr = x
	if !p.accept("}") {
		return nil, p.unexpected("an operator or }")
	}
	return f, nil
}

// scalarFilter reads count() > 2.
func (p *parser) scalarFilter() (Stage, error) {
	agg, err := p.aggregate()
	if err != nil {
		return nil, err
	}
	t := p.peek()
	op := fieldOps[t.text].op
	if t.kind != tokenSign || !op.Comparison() || op == OpRegex || op == OpNotRegex {
		return nil, p.unexpected("a comparison of " + agg.Func.String() + "() such as > 5")
	}
	p.next()
	value, err := p.number()
	if err != nil {
		return nil, err
	}
	return &ScalarFilter{At: t.at, Agg: agg, Op: op, Value: value}, nil
}

// number reads an integer, a float or a duration, with a sign or without.
func (p *parser) number() (*Literal, error) {
	at := p.peek().at
	negative := p.accept("-")
	x := literal(p.peek())
	if x == nil || !x.Kind.Numeric() {
		return nil, p.unexpected("a number or a duration")
	}
	p.next()
	if negative {
		x.At, x.Int, x.Float = at, -x.Int, -x.Float
	}
	return x, nil
}

func (t token) beginsNumber() bool {
	return t.is("-") || t.kind == tokenInt || t.kind == tokenFloat || t.kind == tokenDuration
}

func aggregateOf(t token) *AggregateFunc {
	for i, name := range aggregateNames {
		if t.kind == tokenWord && t.text == name {
			f := AggregateFunc(i)
			return &f
		}
	}
	return nil
}

func (p *parser) aggregate() (*Aggregate, error) {
	x := &Aggregate{At: p.peek().at, Func: *aggregateOf(p.peek())}
	p.next()
	if err := p.expect("("); err != nil {
		return nil, err
	}
	if x.Func != AggregateCount {
		arg, err := p.field(0)
		if err != nil {
			return nil, err
		}
		x.Expr = arg
	}
	return x, p.expect(")")
}

// attributes reads (a, b).
func (p *parser) attributes() ([]*Attribute, error) {
	if err := p.expect("("); err != nil {
		return nil, err
	}
	var attrs []*Attribute
	for {
		a, err := p.attribute()
		if err != nil {
			return nil, err
		}
		attrs = append(attrs, a)
		if !p.accept(",") {
			break
		}
	}
	if !p.accept(")") {
		return nil, p.unexpected("a comma or )")
	}
	return attrs, nil
}

// attribute reads an attribute or an intrinsic.
func (p *parser) attribute() (*Attribute, error) {
	t := p.peek()
	switch {
	case t.parent || t.is("parent"):
		return nil, errorAt(t.at, "attributes of the parent span are not supported")
	case t.is("childCount"):
		return nil, errorAt(t.at, "childCount is not supported without its scope: span:childCount")
	case t.kind == tokenAttribute:
		p.next()
		return &Attribute{At: t.at, Scope: t.scope, Name: t.text}, nil
	case t.kind == tokenWord && bareIntrinsics[t.text] != IntrinsicNone:
		p.next()
		return &Attribute{At: t.at, Intrinsic: bareIntrinsics[t.text]}, nil
	case t.kind == tokenScope:
		p.next()
		name := p.peek()
		i := intrinsics[t.text][name.text]
		if name.kind != tokenWord || i == IntrinsicNone {
			return nil, p.unexpected(strings.Join(intrinsicNamesOf(t.text), " or "))
		}
		p.next()
		return &Attribute{At: t.at, Intrinsic: i}, nil
	}
	return nil, p.unexpected("an attribute such as span.http.method, or an intrinsic such as name")
}
