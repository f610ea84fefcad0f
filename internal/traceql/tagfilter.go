package traceql

import "unicode/utf8"

// ParseTagFilter reads the query that narrows down a list of tags or values.
// An editor sends it while it is being written, so whatever cannot be
// understood is left out. nil means that there is no condition left.
//
// As in Tempo, only { a && b } narrows down, of which those comparisons count
// that are complete and whose attributes have a scope. A query with || or with
// anything behind the braces does not narrow down.
func ParseTagFilter(text string) *Query {
	if !utf8.ValidString(text) {
		return nil
	}
	tokens, ok := filterTokens(text)
	if !ok {
		return nil
	}
	f := &Filter{At: Pos{1, 1}}
	for _, part := range splitConditions(tokens) {
		x := completeCondition(part)
		switch {
		case x == nil:
		case f.Expr == nil:
			f.Expr = x
		default:
			f.Expr = &Binary{At: x.Position(), Op: OpAnd, LHS: f.Expr, RHS: x}
		}
	}
	if f.Expr == nil {
		return nil
	}
	return &Query{Spans: &Pipeline{Stages: []Stage{f}}}
}

// filterTokens returns what is between the braces. The closing one may be
// missing.
func filterTokens(text string) ([]token, bool) {
	tokens := lexPrefix(text)
	if !tokens[0].is("{") {
		return nil, false
	}
	tokens = tokens[1:]
	for i, t := range tokens {
		switch {
		case t.is("||"):
			return nil, false
		case t.is("}"):
			return tokens[:i], tokens[i+1].kind == tokenEnd
		}
	}
	return tokens[:len(tokens)-1], true
}

// lexPrefix returns the tokens up to the first one that cannot be read, and
// tokenEnd behind them. Of a text that is too long for a query it returns none.
func lexPrefix(text string) []token {
	var tokens []token
	l := lexer{text: text, at: Pos{1, 1}}
	if len(text) > MaxQuery {
		l.text = ""
	}
	for {
		t, err := l.next()
		if err != nil {
			t = token{at: l.at}
		}
		if len(tokens) == MaxTokens && t.kind != tokenEnd {
			return []token{{at: l.at}}
		}
		tokens = append(tokens, t)
		if t.kind == tokenEnd {
			return tokens
		}
	}
}

// splitConditions cuts at each && that is not in parentheses.
func splitConditions(tokens []token) [][]token {
	var parts [][]token
	depth, start := 0, 0
	for i, t := range tokens {
		switch {
		case t.is("("):
			depth++
		case t.is(")"):
			depth--
		case t.is("&&") && depth == 0:
			parts = append(parts, tokens[start:i])
			start = i + 1
		}
	}
	return append(parts, tokens[start:])
}

// completeCondition returns the comparison that the tokens are, or nil.
func completeCondition(tokens []token) FieldExpr {
	end := token{kind: tokenEnd}
	p := parser{tokens: append(tokens[:len(tokens):len(tokens)], end)}
	x, err := p.field(0)
	if err != nil || p.peek().kind != tokenEnd {
		return nil
	}
	if b, ok := x.(*Binary); !ok || !b.Op.Comparison() {
		return nil
	}
	if _, err := checkField(x); err != nil || hasUnscoped(x) {
		return nil
	}
	return x
}

func hasUnscoped(x FieldExpr) bool {
	switch x := x.(type) {
	case *Attribute:
		return x.Intrinsic == IntrinsicNone && x.Scope == ScopeNone
	case *Unary:
		return hasUnscoped(x.X)
	case *Binary:
		return hasUnscoped(x.LHS) || hasUnscoped(x.RHS)
	default:
		return false
	}
}
