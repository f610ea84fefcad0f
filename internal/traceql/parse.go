package traceql

// Parse reads and checks a query. Its errors are *Error.
func Parse(text string) (*Query, error) {
	q, err := parse(text)
	if err != nil {
		return nil, err
	}
	if err := check(q); err != nil {
		return nil, err
	}
	return q, nil
}

// parse reads a query without its static checks.
func parse(text string) (*Query, error) {
	tokens, err := lex(text)
	if err != nil {
		return nil, err
	}
	p := parser{tokens: tokens}
	x, err := p.query()
	if err != nil {
		return nil, err
	}
	q := &Query{}
	switch x := x.(type) {
	case *Pipeline:
		q.Spans = x
	case *Literal:
		return nil, errorAt(x.At, "a number alone is not a query, expected { or an aggregate")
	case MetricExpr:
		q.Metric = x
	}
	if q.Hints, err = p.hints(); err != nil {
		return nil, err
	}
	if p.peek().kind != tokenEnd {
		return nil, p.unexpected("an operator, |, with, or the end of the query")
	}
	return q, nil
}

// parser reads tokens by recursive descent. Each method reads one construct
// and leaves the token behind it.
type parser struct {
	tokens []token
	depth  int
}

func (p *parser) peek() token { return p.tokens[0] }

// next returns the token and moves on. It stays at the end.
func (p *parser) next() token {
	t := p.tokens[0]
	if t.kind != tokenEnd {
		p.tokens = p.tokens[1:]
	}
	return t
}

// accept moves on if the token is this word or sign.
func (p *parser) accept(text string) bool {
	if !p.peek().is(text) {
		return false
	}
	p.next()
	return true
}

func (p *parser) expect(text string) error {
	if !p.accept(text) {
		return p.unexpected(text)
	}
	return nil
}

func (p *parser) unexpected(expected string) error {
	return errorAt(p.peek().at, "unexpected %v, expected %s", p.peek(), expected)
}

// enter and leave surround everything that nests.
func (p *parser) enter() error {
	p.depth++
	if p.depth > MaxDepth {
		return errorAt(p.peek().at, "more than %d levels of nesting", MaxDepth)
	}
	return nil
}

func (p *parser) leave() { p.depth-- }

// hints reads with(a=1, b="x"), which may be missing.
func (p *parser) hints() ([]Hint, error) {
	var hints []Hint
	for p.accept("with") {
		if err := p.expect("("); err != nil {
			return nil, err
		}
		for {
			h, err := p.hint()
			if err != nil {
				return nil, err
			}
			hints = append(hints, h)
			if !p.accept(",") {
				break
			}
		}
		if err := p.expect(")"); err != nil {
			return nil, err
		}
	}
	return hints, nil
}

func (p *parser) hint() (Hint, error) {
	if p.peek().kind != tokenWord {
		return Hint{}, p.unexpected("the name of a hint")
	}
	h := Hint{Name: p.next().text}
	if err := p.expect("="); err != nil {
		return Hint{}, err
	}
	h.Value = literal(p.peek())
	if h.Value == nil || h.Value.Kind == TypeNil {
		return Hint{}, p.unexpected("the value of the hint")
	}
	p.next()
	return h, nil
}
