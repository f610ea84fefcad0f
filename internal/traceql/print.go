package traceql

import (
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// String prints the query in one form whatever its spaces, comments, quotes
// and superfluous parentheses were. What it prints is the same query.
func (q *Query) String() string {
	var p printer
	if q.Metric != nil {
		p.put(q.Metric)
	} else {
		p.put(q.Spans)
	}
	for i, h := range q.Hints {
		p.WriteString(map[bool]string{true: " with(", false: ", "}[i == 0])
		p.WriteString(h.Name + "=")
		p.put(h.Value)
	}
	if len(q.Hints) > 0 {
		p.WriteByte(')')
	}
	return p.String()
}

// printer prints parts of a query one behind the other, in linear time.
type printer struct {
	strings.Builder
	// label prints the name of a result: see label.
	label bool
}

func print(x node) string {
	var p printer
	p.put(x)
	return p.String()
}

// label prints a stage as Tempo names its result in an answer: constants are
// computed, and neither keys nor texts are escaped. It may not be a query.
func label(x node) string {
	p := printer{label: true}
	p.put(x)
	return p.String()
}

func (p *printer) put(x node) { p.computed(x).print(p) }

// computed is x, or in a label the constant that it is.
func (p *printer) computed(x node) node {
	if f, ok := x.(FieldExpr); ok && p.label {
		if lit, ok := constant(f); ok {
			return lit
		}
	}
	return x
}

// operand puts what has operators of its own into parentheses.
func (p *printer) operand(x node) {
	x = p.computed(x)
	switch x.(type) {
	case *Filter, *Aggregate, *Attribute, *Literal:
		p.put(x)
	default:
		p.WriteByte('(')
		p.put(x)
		p.WriteByte(')')
	}
}

func (p *printer) infix(lhs node, op Op, rhs node) {
	p.operand(lhs)
	p.WriteString(" " + op.String() + " ")
	p.operand(rhs)
}

func (p *printer) attrs(attrs []*Attribute) {
	for i, a := range attrs {
		if i > 0 {
			p.WriteString(", ")
		}
		p.put(a)
	}
}

func (x *Pipeline) print(p *printer) {
	for i, s := range x.Stages {
		if i > 0 {
			p.WriteString(" | ")
		}
		p.put(s)
	}
}

func (x *Filter) print(p *printer) {
	p.WriteString("{ ")
	if x.Expr != nil {
		p.put(x.Expr)
		p.WriteByte(' ')
	}
	p.WriteByte('}')
}

func (x *SpansetBinary) print(p *printer) { p.infix(x.LHS, x.Op, x.RHS) }
func (x *ScalarFilter) print(p *printer)  { p.infix(x.Agg, x.Op, x.Value) }
func (x *Binary) print(p *printer)        { p.infix(x.LHS, x.Op, x.RHS) }
func (x *MetricBinary) print(p *printer)  { p.infix(x.LHS, x.Op, x.RHS) }
func (x *Coalesce) print(p *printer)      { p.WriteString("coalesce()") }

func (x *Unary) print(p *printer) {
	p.WriteString(x.Op.String())
	p.operand(x.X)
}

func (x *Group) print(p *printer) {
	p.WriteString("by(")
	p.put(x.Expr)
	p.WriteByte(')')
}

func (x *Select) print(p *printer) {
	p.WriteString("select(")
	p.attrs(x.Attrs)
	p.WriteByte(')')
}

func (x *Aggregate) print(p *printer) {
	p.WriteString(x.Func.String() + "(")
	if x.Expr != nil {
		p.put(x.Expr)
	}
	p.WriteByte(')')
}

func (x *Series) print(p *printer) {
	p.put(x.Spans)
	p.WriteString(" | " + x.Func.String() + "(")
	if x.Attr != nil {
		p.put(x.Attr)
	}
	for _, q := range x.Quantiles {
		p.WriteString(", " + formatFloat(q))
	}
	p.WriteByte(')')
	if len(x.By) > 0 {
		p.WriteString(" by(")
		p.attrs(x.By)
		p.WriteByte(')')
	}
}

func (x *Compare) print(p *printer) {
	p.put(x.Spans)
	p.WriteString(" | compare(")
	p.put(x.Selection)
	p.WriteString(", " + strconv.Itoa(x.TopN))
	if x.Start != 0 || x.End != 0 {
		p.WriteString(", " + strconv.FormatInt(x.Start, 10) + ", " + strconv.FormatInt(x.End, 10))
	}
	p.WriteByte(')')
}

func (x *TopK) print(p *printer) {
	switch x.X.(type) {
	case *Series, *Compare:
		p.put(x.X)
	default:
		p.operand(x.X)
	}
	name := "topk"
	if x.Bottom {
		name = "bottomk"
	}
	p.WriteString(" | " + name + "(" + strconv.Itoa(x.N) + ")")
}

// An attribute is quoted where its key has other characters than a bare key
// may have.
func (x *Attribute) print(p *printer) {
	if p.label {
		p.WriteString(x.Label())
		return
	}
	p.WriteString(x.prefix())
	switch {
	case x.Intrinsic != IntrinsicNone:
		p.WriteString(x.Intrinsic.String())
	case bareKey(x.Name, x.Scope):
		p.WriteString(x.Name)
	default:
		p.WriteString(`"` + keyEscaper.Replace(x.Name) + `"`)
	}
}

var keyEscaper = strings.NewReplacer(`\`, `\\`, `"`, `\"`)

// Label prints the attribute as the label of a series names it: without quotes.
func (x *Attribute) Label() string {
	if x.Intrinsic != IntrinsicNone {
		return x.Intrinsic.String()
	}
	return x.prefix() + x.Name
}

func (x *Attribute) prefix() string {
	switch {
	case x.Intrinsic != IntrinsicNone:
		return ""
	case x.Scope == ScopeNone:
		return "."
	default:
		return x.Scope.String() + "."
	}
}

func (x *Literal) print(p *printer) {
	if p.label && x.Kind == TypeString {
		p.WriteString("`" + x.Str + "`")
		return
	}
	p.WriteString(x.text())
}

func (x *Literal) text() string {
	switch x.Kind {
	case TypeInt:
		if x.Int == math.MinInt64 {
			return "minInt"
		}
		return strconv.FormatInt(x.Int, 10)
	case TypeFloat:
		return formatFloat(x.Float)
	case TypeString:
		return quote(x.Str)
	case TypeBool:
		return strconv.FormatBool(x.Int != 0)
	case TypeDuration:
		return time.Duration(x.Int).String()
	case TypeStatus:
		return nameOf(statusNames[:], int(x.Int))
	case TypeKind:
		return nameOf(kindNames[:], int(x.Int))
	default:
		return "nil"
	}
}

// quote prefers backticks, in which nothing is escaped.
func quote(s string) string {
	plain := func(r rune) bool { return r == '\n' || r == '\t' || unicode.IsPrint(r) && r != '`' }
	if strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) >= 0 {
		return strconv.Quote(s)
	}
	return "`" + s + "`"
}

// formatFloat always has a point or an exponent, so that the number stays a
// float when it is parsed again.
func formatFloat(f float64) string {
	s := strconv.FormatFloat(f, 'g', -1, 64)
	if !strings.ContainsAny(s, ".e") {
		s += ".0"
	}
	return s
}

func (x *Pipeline) String() string      { return print(x) }
func (x *Filter) String() string        { return print(x) }
func (x *SpansetBinary) String() string { return print(x) }
func (x *ScalarFilter) String() string  { return print(x) }
func (x *Group) String() string         { return print(x) }
func (x *Coalesce) String() string      { return print(x) }
func (x *Select) String() string        { return print(x) }
func (x *Aggregate) String() string     { return print(x) }
func (x *Binary) String() string        { return print(x) }
func (x *Unary) String() string         { return print(x) }
func (x *Attribute) String() string     { return print(x) }
func (x *Literal) String() string       { return print(x) }
func (x *Series) String() string        { return print(x) }
func (x *Compare) String() string       { return print(x) }
func (x *TopK) String() string          { return print(x) }
func (x *MetricBinary) String() string  { return print(x) }
