package traceql

import (
	"strconv"
	"strings"
	"time"
)

// String prints the query in one form whatever its spaces, comments, quotes
// and superfluous parentheses were. What it prints is the same query.
func (q *Query) String() string {
	var b strings.Builder
	if q.Metric != nil {
		b.WriteString(q.Metric.String())
	} else if q.Spans != nil {
		b.WriteString(q.Spans.String())
	}
	for i, h := range q.Hints {
		if i == 0 {
			b.WriteString(" with(")
		} else {
			b.WriteString(", ")
		}
		b.WriteString(h.Name + "=" + h.Value.String())
	}
	if len(q.Hints) > 0 {
		b.WriteByte(')')
	}
	return b.String()
}

func (x *Pipeline) String() string {
	parts := make([]string, len(x.Stages))
	for i, s := range x.Stages {
		parts[i] = s.String()
		if _, nested := s.(*Pipeline); nested {
			parts[i] = "(" + parts[i] + ")"
		}
	}
	return strings.Join(parts, " | ")
}

func (x *Filter) String() string {
	if x.Expr == nil {
		return "{ }"
	}
	return "{ " + x.Expr.String() + " }"
}

func (x *SpansetBinary) String() string { return infix(x.LHS, x.Op, x.RHS) }
func (x *ScalarFilter) String() string  { return infix(x.LHS, x.Op, x.RHS) }
func (x *ScalarBinary) String() string  { return infix(x.LHS, x.Op, x.RHS) }
func (x *Binary) String() string        { return infix(x.LHS, x.Op, x.RHS) }
func (x *MetricBinary) String() string  { return infix(x.LHS, x.Op, x.RHS) }
func (x *Unary) String() string         { return x.Op.String() + operand(x.X) }
func (x *Group) String() string         { return "by(" + x.Expr.String() + ")" }
func (x *Coalesce) String() string      { return "coalesce()" }
func (x *Select) String() string        { return "select(" + list(x.Attrs) + ")" }

func (x *Aggregate) String() string {
	if x.Expr == nil {
		return x.Func.String() + "()"
	}
	return x.Func.String() + "(" + x.Expr.String() + ")"
}

func (x *Series) String() string {
	var b strings.Builder
	b.WriteString(x.Spans.String() + " | " + x.Func.String() + "(")
	if x.Attr != nil {
		b.WriteString(x.Attr.String())
	}
	for _, q := range x.Quantiles {
		b.WriteString(", " + formatFloat(q))
	}
	b.WriteByte(')')
	if len(x.By) > 0 {
		b.WriteString(" by(" + list(x.By) + ")")
	}
	return b.String()
}

func (x *Compare) String() string {
	s := x.Spans.String() + " | compare(" + x.Selection.String() + ", " + strconv.Itoa(x.TopN)
	if x.Start != 0 || x.End != 0 {
		s += ", " + strconv.FormatInt(x.Start, 10) + ", " + strconv.FormatInt(x.End, 10)
	}
	return s + ")"
}

func (x *TopK) String() string {
	name := "topk"
	if x.Bottom {
		name = "bottomk"
	}
	s := x.X.String()
	if _, binary := x.X.(*MetricBinary); binary {
		s = "(" + s + ")"
	}
	return s + " | " + name + "(" + strconv.Itoa(x.N) + ")"
}

// String prints the attribute in the form in which it can be parsed again:
// quoted where its key has other characters than a bare key may have.
func (x *Attribute) String() string {
	if x.Intrinsic != IntrinsicNone {
		return x.Intrinsic.String()
	}
	if bareKey(x.Name) {
		return x.prefix() + x.Name
	}
	escaped := strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(x.Name)
	return x.prefix() + `"` + escaped + `"`
}

// Label prints the attribute as the label of a series names it: without quotes.
func (x *Attribute) Label() string {
	if x.Intrinsic != IntrinsicNone {
		return x.Intrinsic.String()
	}
	return x.prefix() + x.Name
}

func (x *Attribute) prefix() string {
	if x.Scope == ScopeNone {
		return "."
	}
	return x.Scope.String() + "."
}

func (x *Literal) String() string {
	switch x.Kind {
	case TypeInt:
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
	if strings.ContainsRune(s, '`') || strings.ContainsRune(s, '\r') {
		return strconv.Quote(s)
	}
	return "`" + s + "`"
}

// formatFloat always has a point or an exponent, so that the number stays a
// float when it is parsed again.
func formatFloat(f float64) string {
	s := strconv.FormatFloat(f, 'g', -1, 64)
	if !strings.ContainsAny(s, ".eIN") {
		s += ".0"
	}
	return s
}

func list(attrs []*Attribute) string {
	parts := make([]string, len(attrs))
	for i, a := range attrs {
		parts[i] = a.String()
	}
	return strings.Join(parts, ", ")
}

func infix(lhs node, op Op, rhs node) string {
	return operand(lhs) + " " + op.String() + " " + operand(rhs)
}

// operand puts what has operators of its own into parentheses.
func operand(x node) string {
	switch x.(type) {
	case *Filter, *Aggregate, *Attribute, *Literal:
		return x.String()
	default:
		return "(" + x.String() + ")"
	}
}
