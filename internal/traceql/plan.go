package traceql

// plan is a compiled pipeline.
type plan struct {
	stages []stage
	// conditions are those of all filters, groups and aggregates.
	conditions []condition
	// all says that a span must meet all conditions, open that every span
	// meets one.
	all, open bool
	shown     []shownField // in the order in which the query names them
	// asked are the conditions without those that find the same as another.
	asked     []condition
	byScope   [ScopeInstrumentation + 1][]*Predicate // see finders.go
	bySibling map[siblingKey]*numbersFound
	// filters and exprs are all that is in the stages.
	filters []*filter
	exprs   []expr
}

// shownField is a field that a span is returned with: the values for which one
// of the predicates is true, or all values if there is none.
type shownField struct {
	field Field
	preds []*Predicate
}

// spanset is some spans of one trace, ascending, and what the pipeline found out
// about them.
type spanset struct {
	spans []uint32
	attrs []NamedValue
}

// NamedValue is a value with its name: an attribute of a span, or a result of
// the pipeline, whose name is as the query writes it: "count()".
type NamedValue struct {
	Name  string
	Value []Value // several for an array
}

// trace is what a stage is given: one trace of a batch.
type trace struct {
	p        *plan
	e        *evaluation
	from, to uint32 // its spans
}

// stage turns the span sets of a trace into others. What it is given may be
// changed.
type stage interface {
	run(t *trace, in []spanset) ([]spanset, error)
}

// leader is a stage that tells for a whole batch in which spans its answers can
// only lie.
type leader interface {
	lead(p *plan, e *evaluation) (*Bitmap, error)
}

func compilePipeline(q *Pipeline) (*plan, error) {
	p := &plan{all: true}
	c := compiler{plan: p}
	for _, s := range q.Stages {
		compiled, err := c.stage(s)
		if err != nil {
			return nil, err
		}
		if compiled != nil {
			p.stages = append(p.stages, compiled)
		}
	}
	if c.filters != 1 || c.others {
		p.all = false
	}
	p.open = p.open || len(p.conditions) == 0
	p.widen()
	return p, nil
}

// compiler collects what the stages of one pipeline, nested ones included, have
// to say.
type compiler struct {
	plan    *plan
	filters int
	others  bool // conditions that are no filter's
}

func (c *compiler) stage(s Stage) (stage, error) {
	switch s := s.(type) {
	case *Filter:
		return c.filter(s)
	case *SpansetBinary:
		return c.binary(s)
	case *ScalarFilter:
		return c.scalar(s)
	case *Group:
		return c.group(s)
	case *Coalesce:
		return coalesceStage{}, nil
	case *Select:
		for _, a := range s.Attrs {
			c.plan.show(fieldOf(a), nil)
		}
		return nil, nil
	}
	return nil, errorAt(s.Position(), "%s cannot be evaluated", s)
}

func (c *compiler) filter(s *Filter) (stage, error) {
	f, err := compileFilter(s)
	if err != nil {
		return nil, err
	}
	c.filters++
	c.plan.filters = append(c.plan.filters, f)
	c.add(&f.cond)
	if len(f.cond.list) == 0 {
		c.plan.open = true
	}
	if f.cond.or || f.cond.anyUnscoped() {
		c.plan.all = false
	}
	return filterStage{f}, nil
}

func (c *compiler) add(cond *conditions) {
	c.plan.conditions = append(c.plan.conditions, cond.list...)
	for _, one := range cond.list {
		if _, always := phantom(one.field); one.pred == nil && (always || alwaysThere(one.field)) {
			c.plan.open = true
		}
		c.plan.show(one.field, one.pred)
	}
}

// alwaysThere says whether every span has a value of the field.
func alwaysThere(f Field) bool { return f.Intrinsic != IntrinsicNone }

// other compiles an expression of a stage that is not a filter.
func (c *compiler) other(x FieldExpr) (expr, error) {
	var cond conditions
	if truthValued(x) {
		if err := cond.add(x); err != nil {
			return nil, err
		}
	} else {
		cond.mention(x)
	}
	c.others = true
	c.add(&cond)
	compiled, err := compileExpr(x)
	c.plan.exprs = append(c.plan.exprs, compiled)
	return compiled, err
}

// show adds a field to those that are returned. A nil predicate stands for any
// value. An unscoped field stands for the span's and the resource's.
func (p *plan) show(f Field, pred *Predicate) {
	if unscoped(f) {
		p.show(spanField(f), pred)
		p.show(resourceField(f), pred)
		return
	}
	if pred != nil && (pred.asksPresence() || pred.asksAbsence()) {
		pred = nil
	}
	for i := range p.shown {
		s := &p.shown[i]
		if s.field != f {
			continue
		}
		switch {
		case pred == nil:
			s.preds = nil
		case s.preds != nil:
			s.preds = append(s.preds, pred)
		}
		return
	}
	s := shownField{field: f}
	if pred != nil {
		s.preds = []*Predicate{pred}
	}
	p.shown = append(p.shown, s)
}

// run gives each trace of the batch that may have an answer to yield, with the
// span sets that are left of it.
func (p *plan) run(e *evaluation, yield func(trace int, sets []spanset) error) error {
	offsets, err := e.offsets(LevelTrace)
	if err != nil {
		return err
	}
	lead, err := p.lead(e)
	if err != nil {
		return err
	}
	for i := 0; i+1 < len(offsets); i++ {
		if lead != nil {
			span := lead.Next(int(offsets[i]))
			if span < 0 {
				break
			}
			if span >= int(offsets[i+1]) {
				i = rowOf(offsets, uint32(span))
			}
		}
		if err := e.ctx.Err(); err != nil {
			return err
		}
		if e.hides(i) {
			continue
		}
		t := &trace{p: p, e: e, from: offsets[i], to: offsets[i+1]}
		sets, err := p.trace(t)
		if err != nil {
			return err
		}
		if len(sets) > 0 {
			if err := yield(i, sets); err != nil {
				return err
			}
		}
	}
	return e.reader.err
}

// hits is run without the span sets for a query that is one filter, of which it returns
// for which spans it is true. Most traces that are found are not looked at.
func (p *plan) hits(e *evaluation, yield func(trace int, sets []spanset) error) (*Bitmap, error) {
	if len(p.stages) != 1 {
		return nil, p.run(e, yield)
	}
	only, ok := p.stages[0].(filterStage)
	if !ok {
		return nil, p.run(e, yield)
	}
	offsets, err := e.offsets(LevelTrace)
	if err != nil {
		return nil, err
	}
	spans, err := only.f.spans(p, e)
	if err != nil {
		return nil, err
	}
	trace := 0
	for span := spans.Next(0); span >= 0; span = spans.Next(int(offsets[trace+1])) {
		for int(offsets[trace+1]) <= span {
			trace++
		}
		if trace%checkEvery == 0 && e.ctx.Err() != nil {
			return nil, e.ctx.Err()
		}
		if e.hides(trace) {
			continue
		}
		if err := yield(trace, nil); err != nil {
			return nil, err
		}
	}
	return spans, e.reader.err
}

func (p *plan) lead(e *evaluation) (*Bitmap, error) {
	if len(p.stages) > 0 {
		if l, ok := p.stages[0].(leader); ok {
			return l.lead(p, e)
		}
	}
	return nil, nil
}

// trace runs all stages on one trace.
func (p *plan) trace(t *trace) ([]spanset, error) {
	spans, stages, err := p.first(t)
	if err != nil || len(spans) == 0 {
		return nil, err
	}
	sets := []spanset{{spans: spans}}
	for _, s := range stages {
		if sets, err = s.run(t, sets); err != nil || len(sets) == 0 {
			return nil, err
		}
	}
	return sets, nil
}

// first is what the first stage is given, and the stages; or, if that is a
// filter, what it leaves, and the other stages. A pipeline that begins otherwise
// is about the spans that have something to do with it: those which meet any
// condition.
func (p *plan) first(t *trace) ([]uint32, []stage, error) {
	if len(p.stages) > 0 {
		if s, ok := p.stages[0].(filterStage); ok {
			m, err := s.f.spans(p, t.e)
			return members(m, t.from, t.to), p.stages[1:], err
		}
		if _, ok := p.stages[0].(binaryStage); !ok && !p.open {
			m, err := p.anyMet(t.e)
			return members(m, t.from, t.to), p.stages, err
		}
	}
	return numbers(t.from, t.to), p.stages, nil
}

func members(m *Bitmap, from, to uint32) []uint32 {
	if m == nil {
		return nil
	}
	var out []uint32
	for i := m.Next(int(from)); i >= 0 && i < int(to); i = m.Next(i + 1) {
		out = append(out, uint32(i))
	}
	return out
}

func numbers(from, to uint32) []uint32 {
	out := make([]uint32, 0, to-from)
	for i := from; i < to; i++ {
		out = append(out, i)
	}
	return out
}
