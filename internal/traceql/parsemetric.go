package traceql

// metricOf says whether a function of metrics begins with the token.
func metricOf(t token) bool {
	if t.kind != tokenWord {
		return false
	}
	for _, name := range metricNames {
		if t.text == name {
			return true
		}
	}
	return t.text == "compare"
}

// metric reads a function of metrics about the spans of a pipeline.
func (p *parser) metric(spans *Pipeline) (MetricExpr, error) {
	t := p.next()
	if t.text == "compare" {
		return p.compare(t.at, spans)
	}
	x := &Series{At: t.at, Spans: spans}
	for i, name := range metricNames {
		if t.text == name {
			x.Func = MetricFunc(i)
		}
	}
	if err := p.expect("("); err != nil {
		return nil, err
	}
	if err := p.arguments(x); err != nil {
		return nil, err
	}
	if err := p.expect(")"); err != nil {
		return nil, err
	}
	if !p.accept("by") {
		return x, nil
	}
	by, err := p.metricAttributes()
	if err != nil {
		return nil, err
	}
	if len(by) > MaxGroupBy {
		return nil, errorAt(by[MaxGroupBy].At, "by() has %d attributes, at most %d are allowed",
			len(by), MaxGroupBy)
	}
	x.By = by
	return x, nil
}

func (p *parser) arguments(x *Series) error {
	if x.Func == MetricRate || x.Func == MetricCount {
		return nil
	}
	attr, err := p.metricAttribute()
	if err != nil {
		return err
	}
	x.Attr = attr
	if x.Func != MetricQuantile {
		return nil
	}
	for first := true; first || p.peek().is(","); first = false {
		if err := p.expect(","); err != nil {
			return err
		}
		t := p.peek()
		q := t.float
		switch t.kind {
		case tokenInt:
			q = float64(t.int)
		case tokenFloat:
		default:
			return p.unexpected("a quantile from 0 to 1")
		}
		if q < 0 || q > 1 {
			return errorAt(t.at, "the quantile %v is not from 0 to 1", q)
		}
		if len(x.Quantiles) == MaxQuantiles {
			return errorAt(t.at, "quantile_over_time has more than %d quantiles", MaxQuantiles)
		}
		p.next()
		x.Quantiles = append(x.Quantiles, q)
	}
	return nil
}

// metricAttributes reads (a, b) behind by.
func (p *parser) metricAttributes() ([]*Attribute, error) {
	for i, t := range p.tokens {
		if t.is(")") || t.kind == tokenEnd {
			break
		}
		p.tokens[i] = attributeNamedChildCount(t)
	}
	return p.attributes()
}

func (p *parser) metricAttribute() (*Attribute, error) {
	p.tokens[0] = attributeNamedChildCount(p.tokens[0])
	return p.attribute()
}

// attributeNamedChildCount takes the bare word childCount for the attribute of
// that name. Tempo does so in metrics, and refuses the word elsewhere.
func attributeNamedChildCount(t token) token {
	if t.is("childCount") {
		t.kind = tokenAttribute
	}
	return t
}

// compare reads what follows the word: ({...}, n, start, end).
func (p *parser) compare(at Pos, spans *Pipeline) (MetricExpr, error) {
	if err := p.expect("("); err != nil {
		return nil, err
	}
	selection, err := p.filter()
	if err != nil {
		return nil, err
	}
	x := &Compare{At: at, Spans: spans, Selection: selection, TopN: 10}
	if p.accept(",") {
		n, err := p.integer("the number of values", 1)
		if err != nil {
			return nil, err
		}
		x.TopN = int(n)
	}
	if p.accept(",") {
		if x.Start, err = p.integer("the start in Unix nanoseconds", 1); err != nil {
			return nil, err
		}
		if !p.peek().is(",") {
			return nil, p.unexpected("a comma and the end in Unix nanoseconds")
		}
		p.next()
		if x.End, err = p.integer("an end in Unix nanoseconds behind the start", x.Start+1); err != nil {
			return nil, err
		}
	}
	return x, p.expect(")")
}

func (p *parser) integer(what string, least int64) (int64, error) {
	t := p.peek()
	if t.kind != tokenInt {
		return 0, p.unexpected("an integer: " + what)
	}
	if t.int < least {
		return 0, errorAt(t.at, "%d is too small, expected %s", t.int, what)
	}
	p.next()
	return t.int, nil
}

// metricStages reads what may follow a metric: one | topk(n) or | bottomk(n),
// and comparisons with numbers.
func (p *parser) metricStages(x MetricExpr) (node, error) {
	ranked := false
	for {
		t := p.peek()
		b := metricOps[t.text]
		switch {
		case t.is("|") && !ranked:
			p.next()
			k, err := p.topK(x)
			if err != nil {
				return nil, err
			}
			x, ranked = k, true
		case t.kind == tokenSign && b.op.Comparison():
			p.next()
			value, err := p.number()
			if err != nil {
				return nil, err
			}
			x = &MetricBinary{At: t.at, Op: b.op, LHS: x, RHS: value}
		default:
			return x, nil
		}
	}
}

func (p *parser) topK(x MetricExpr) (*TopK, error) {
	t := p.peek()
	if !t.is("topk") && !t.is("bottomk") {
		return nil, p.unexpected("topk or bottomk")
	}
	p.next()
	if err := p.expect("("); err != nil {
		return nil, err
	}
	n, err := p.integer("how many series, 1 at least", 1)
	if err != nil {
		return nil, err
	}
	k := &TopK{At: t.at, X: x, Bottom: t.text == "bottomk", N: int(n)}
	return k, p.expect(")")
}
