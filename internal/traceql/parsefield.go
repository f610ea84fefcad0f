package traceql

import (
	"maps"
	"math"
	"slices"
)

// fieldOps are the operators of fields. As in Tempo && and || bind alike, from
// the left, and so do all comparisons.
var fieldOps = map[string]binding{
	"&&": {OpAnd, 1}, "||": {OpOr, 1},
	"=": {OpEq, 2}, "!=": {OpNotEq, 2}, ">": {OpGreater, 2}, ">=": {OpGreaterEq, 2},
	"<": {OpLess, 2}, "<=": {OpLessEq, 2}, "=~": {OpRegex, 2}, "!~": {OpNotRegex, 2},
	"+": {OpAdd, 3}, "-": {OpSub, 3}, "*": {OpMul, 5}, "/": {OpDiv, 5}, "%": {OpMod, 5},
	"^": {OpPow, 6},
}

// The signs bind tighter than operators of their level and looser than those
// above: -2 ^ 2 is -(2 ^ 2), !a = b is (!a) = b.
const (
	minusLevel = 3
	notLevel   = 4
)

// field reads an expression of fields whose operators bind tighter than the
// level.
func (p *parser) field(level int) (FieldExpr, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.leave()
	lhs, err := p.fieldOperand()
	if err != nil {
		return nil, err
	}
	for {
		t := p.peek()
		b := fieldOps[t.text]
		if t.kind != tokenSign || b.level <= level {
			return lhs, nil
		}
		p.next()
		under := b.level
		if b.op == OpPow { // from the right
			under--
		}
		rhs, err := p.field(under)
		if err != nil {
			return nil, err
		}
		lhs = &Binary{At: t.at, Op: b.op, LHS: lhs, RHS: rhs}
	}
}

func (p *parser) fieldOperand() (FieldExpr, error) {
	t := p.peek()
	switch {
	case t.is("("):
		p.next()
		x, err := p.field(0)
		if err != nil {
			return nil, err
		}
		if !p.accept(")") {
			return nil, p.unexpected("an operator or )")
		}
		return x, nil
	case t.is("-"):
		p.next()
		x, err := p.field(minusLevel)
		return &Unary{At: t.at, Op: OpSub, X: x}, err
	case t.is("!"):
		p.next()
		x, err := p.field(notLevel)
		return &Unary{At: t.at, Op: OpNot, X: x}, err
	}
	if x := literal(t); x != nil {
		p.next()
		return x, nil
	}
	if t.kind == tokenWord && bareIntrinsics[t.text] == IntrinsicNone && !unsupported(t) ||
		t.kind == tokenSign || t.kind == tokenEnd {
		return nil, p.unexpected("a value: an attribute such as span.http.method, " +
			"an intrinsic such as name, or a literal")
	}
	return p.attribute()
}

// unsupported says whether the word is an intrinsic that has an error of its
// own.
func unsupported(t token) bool { return t.text == "parent" || t.text == "childCount" }

// literal returns the value that the token says, or nil.
func literal(t token) *Literal {
	x := &Literal{At: t.at, Int: t.int, Float: t.float}
	switch t.kind {
	case tokenInt:
		x.Kind = TypeInt
	case tokenFloat:
		x.Kind = TypeFloat
	case tokenDuration:
		x.Kind = TypeDuration
	case tokenString:
		x.Kind, x.Str = TypeString, t.text
	case tokenWord:
		return wordLiteral(x, t.text)
	default:
		return nil
	}
	return x
}

func wordLiteral(x *Literal, word string) *Literal {
	switch word {
	case "nil":
		x.Kind = TypeNil
	case "true", "false":
		x.Kind = TypeBool
		if word == "true" {
			x.Int = 1
		}
	case "minInt":
		x.Kind, x.Int = TypeInt, math.MinInt64
	case "maxInt":
		x.Kind, x.Int = TypeInt, math.MaxInt64
	default:
		if i := slices.Index(statusNames[:], word); i >= 0 {
			x.Kind, x.Int = TypeStatus, int64(i)
			return x
		}
		i := slices.Index(kindNames[:], word)
		if i < 0 {
			return nil
		}
		x.Kind, x.Int = TypeKind, int64(i)
	}
	return x
}

func intrinsicNamesOf(scope string) []string {
	return slices.Sorted(maps.Keys(intrinsics[scope]))
}
