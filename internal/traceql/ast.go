package traceql

// Pos is a place in the text of a query. Lines and columns count from 1, and
// columns count characters.
type Pos struct{ Line, Col int }

// Query is a query that was parsed and checked.
type Query struct {
	// Spans selects spans. It is nil in a metrics query.
	Spans *Pipeline
	// Metric is what a metrics query computes, otherwise nil. Each function in
	// it has the pipeline that selects its spans.
	Metric MetricExpr
	// Hints stand in the order in which they were written.
	Hints []Hint
}

// Hint is one name = value of with(...).
type Hint struct {
	Name  string
	Value *Literal
}

// Pipeline is a row of stages. The first gets all spans of a trace as one span
// set, each other one the span sets that its predecessor left.
type Pipeline struct{ Stages []Stage }

// Stage is one of *Filter, *SpansetBinary, *ScalarFilter, *Group, *Coalesce,
// *Select. All but *Coalesce may be the first one.
type Stage interface {
	node
	stage()
}

// SpansetExpr is one of *Filter, *SpansetBinary, *Pipeline. A pipeline stands
// in parentheses there, and then the other side of the operator is one as well.
type SpansetExpr interface {
	node
	spanset()
}

// Filter is { ... }: the spans for which Expr is true.
type Filter struct {
	At   Pos
	Expr FieldExpr // nil for { }
}

// SpansetBinary joins two sets of spans: &&, || and the structural operators.
type SpansetBinary struct {
	At       Pos // of the operator
	Op       Op
	LHS, RHS SpansetExpr
}

// ScalarFilter keeps the span sets whose aggregate compares with a number:
// count() > 2.
type ScalarFilter struct {
	At    Pos // of the operator
	Agg   *Aggregate
	Op    Op       // = != > >= < <=
	Value *Literal // an integer, a float or a duration
}

// Group is by(Expr): each span set becomes one for each value of Expr.
type Group struct {
	At   Pos
	Expr FieldExpr
}

// Coalesce is coalesce(): the span sets of a trace become one.
type Coalesce struct{ At Pos }

// Select is select(a, b): attributes that are returned with each span.
type Select struct {
	At    Pos
	Attrs []*Attribute
}

// Aggregate is one number for a span set: count(), sum(Expr), ...
type Aggregate struct {
	At   Pos
	Func AggregateFunc
	Expr FieldExpr // nil for count()
}

// FieldExpr is what a span is asked: one of *Binary, *Unary, *Attribute,
// *Literal.
type FieldExpr interface {
	node
	field()
	// Type is what is known without a span. TypeAttribute is known only by the
	// span.
	Type() Type
}

// Binary is LHS Op RHS. Op is &&, ||, a comparison or arithmetic.
type Binary struct {
	At       Pos // of the operator
	Op       Op
	LHS, RHS FieldExpr
}

// Unary is !X or -X.
type Unary struct {
	At Pos
	Op Op // OpNot or OpSub
	X  FieldExpr
}

// Attribute is a value of a span: an attribute, or an intrinsic.
type Attribute struct {
	At Pos
	// Scope is where the attribute is looked for. ScopeNone is the span first,
	// then its resource. It says nothing where Intrinsic is set.
	Scope     Scope
	Intrinsic Intrinsic // IntrinsicNone for an attribute
	Name      string    // the key of an attribute, empty for an intrinsic
}

// Literal is a value that the query says.
type Literal struct {
	At   Pos
	Kind Type // any Type but TypeAttribute
	// Int holds TypeInt, TypeDuration in nanoseconds, TypeStatus, TypeKind with
	// the numbers that OTLP has for them, and TypeBool as 0 or 1.
	Int   int64
	Float float64 // TypeFloat
	Str   string  // TypeString
}

// MetricExpr is one of *Series, *Compare, *TopK, *MetricBinary, *Literal (a
// number).
type MetricExpr interface {
	node
	metric()
}

// Series is a function over time: rate, count_over_time, ...
type Series struct {
	At        Pos
	Spans     *Pipeline
	Func      MetricFunc
	Attr      *Attribute   // nil for rate and count_over_time
	Quantiles []float64    // of quantile_over_time, each from 0 to 1
	By        []*Attribute // at most MaxGroupBy
}

// Compare is compare({...}, n, start, end): which values of attributes are
// frequent among the spans of the selection and among all others.
type Compare struct {
	At         Pos
	Spans      *Pipeline
	Selection  *Filter
	TopN       int   // values of an attribute, 10 if the query does not say
	Start, End int64 // Unix nanoseconds that bound the selection; 0: unbounded
}

// TopK keeps, for each step, the N series with the highest values, or the
// lowest.
type TopK struct {
	At     Pos
	X      MetricExpr
	Bottom bool
	N      int // at least 1
}

// MetricBinary is arithmetic of two metrics or of a metric and a number, or a
// comparison, which keeps the samples of the left side for which it is true.
type MetricBinary struct {
	At       Pos // of the operator
	Op       Op
	LHS, RHS MetricExpr
}

// node is what all parts of a query have in common. String prints the part in
// the form in which it can be parsed again.
type node interface {
	Position() Pos
	String() string
	print(*printer)
}

func (x *Filter) Position() Pos        { return x.At }
func (x *SpansetBinary) Position() Pos { return x.At }
func (x *ScalarFilter) Position() Pos  { return x.At }
func (x *Group) Position() Pos         { return x.At }
func (x *Coalesce) Position() Pos      { return x.At }
func (x *Select) Position() Pos        { return x.At }
func (x *Aggregate) Position() Pos     { return x.At }
func (x *Binary) Position() Pos        { return x.At }
func (x *Unary) Position() Pos         { return x.At }
func (x *Attribute) Position() Pos     { return x.At }
func (x *Literal) Position() Pos       { return x.At }
func (x *Series) Position() Pos        { return x.At }
func (x *Compare) Position() Pos       { return x.At }
func (x *TopK) Position() Pos          { return x.At }
func (x *MetricBinary) Position() Pos  { return x.At }

// Position is that of the first stage.
func (x *Pipeline) Position() Pos {
	if len(x.Stages) == 0 {
		return Pos{}
	}
	return x.Stages[0].Position()
}

func (*Filter) stage()        {}
func (*SpansetBinary) stage() {}
func (*ScalarFilter) stage()  {}
func (*Group) stage()         {}
func (*Coalesce) stage()      {}
func (*Select) stage()        {}

func (*Filter) spanset()        {}
func (*SpansetBinary) spanset() {}
func (*Pipeline) spanset()      {}

func (*Binary) field()    {}
func (*Unary) field()     {}
func (*Attribute) field() {}
func (*Literal) field()   {}

func (*Series) metric()       {}
func (*Compare) metric()      {}
func (*TopK) metric()         {}
func (*MetricBinary) metric() {}
func (*Literal) metric()      {}

// Type is boolean for a comparison. That of arithmetic is the one that is
// known of its operands.
func (x *Binary) Type() Type {
	if !x.Op.Arithmetic() {
		return TypeBool
	}
	return arithmeticType(x.LHS.Type(), x.RHS.Type())
}

func arithmeticType(l, r Type) Type {
	switch {
	case l == TypeAttribute:
		return r
	case r == TypeAttribute:
		return l
	case l == TypeDuration || r == TypeDuration:
		return TypeDuration
	case l == TypeFloat || r == TypeFloat:
		return TypeFloat
	default:
		return l
	}
}

// Type is boolean for !X and X's own for -X.
func (x *Unary) Type() Type {
	if x.Op == OpNot {
		return TypeBool
	}
	return x.X.Type()
}

// Type is the intrinsic's, and unknown for an attribute.
func (x *Attribute) Type() Type { return x.Intrinsic.Type() }

// Type is the literal's.
func (x *Literal) Type() Type { return x.Kind }
