package traceql

// condition is what a query asks of one field: a comparison with a value, or,
// without a predicate, only what its value is.
type condition struct {
	field Field
	pred  *Predicate
	// loose says that the comparison may be true for values that it does not
	// find itself (finders.go).
	loose bool
}

// conditions collects the conditions of an expression.
type conditions struct {
	list []condition
	// or says that the expression may be true though a condition is false.
	or bool
	// opaque says that the expression may be true though all conditions are
	// false: it has a negation, or something else than comparisons of fields
	// with values.
	opaque bool
}

// anyUnscoped says whether an attribute without a scope is among the conditions.
func (c *conditions) anyUnscoped() bool {
	for _, one := range c.list {
		if unscoped(one.field) {
			return true
		}
	}
	return false
}

// add walks through an expression whose value is a truth value.
func (c *conditions) add(x FieldExpr) error {
	switch x := x.(type) {
	case *Attribute:
		c.opaque = true
		c.list = append(c.list, condition{field: fieldOf(x)})
	case *Unary:
		c.opaque = true
		return c.add(x.X)
	case *Binary:
		if x.Op == OpAnd || x.Op == OpOr {
			c.or = c.or || x.Op == OpOr
			if bareAttribute(x.LHS) || bareAttribute(x.RHS) {
				c.opaque = true
				c.mention(x)
				return nil
			}
			if err := c.add(x.LHS); err != nil {
				return err
			}
			return c.add(x.RHS)
		}
		if attr, op, lit := comparison(x); attr != nil {
			p, err := newPredicate(fieldOf(attr), op, lit)
			if err != nil {
				return err
			}
			c.opaque = c.opaque || p.asksAbsence()
			c.list = append(c.list, condition{field: fieldOf(attr), pred: p})
			return nil
		}
		c.opaque = true
		c.mention(x)
	case *Literal:
		c.opaque = true
	}
	return nil
}

// bareAttribute says whether an operand is an attribute alone. Tempo then asks
// for the values of all attributes on both sides, which shows in the answer.
func bareAttribute(x FieldExpr) bool {
	_, ok := x.(*Attribute)
	return ok
}

// mention adds all fields of an expression, without their comparisons but for
// those with = nil, which are met where the others are not.
func (c *conditions) mention(x FieldExpr) {
	switch x := x.(type) {
	case *Attribute:
		c.list = append(c.list, condition{field: fieldOf(x)})
	case *Unary:
		c.mention(x.X)
	case *Binary:
		if attr, op, lit := comparison(x); attr != nil && op == OpEq && lit.Kind == TypeNil {
			c.list = append(c.list, condition{field: fieldOf(attr), pred: &Predicate{Op: OpEq}})
			return
		}
		c.mention(x.LHS)
		c.mention(x.RHS)
	}
}

// comparison takes apart what compares an attribute with a literal.
func comparison(x *Binary) (*Attribute, Op, *Literal) {
	if !x.Op.Comparison() {
		return nil, 0, nil
	}
	if attr, ok := x.LHS.(*Attribute); ok {
		if lit, ok := constant(x.RHS); ok {
			return attr, x.Op, lit
		}
	}
	if attr, ok := x.RHS.(*Attribute); ok && x.Op != OpRegex && x.Op != OpNotRegex {
		if lit, ok := constant(x.LHS); ok {
			return attr, mirrored(x.Op), lit
		}
	}
	return nil, 0, nil
}

// mirrored is the operator after its sides were swapped.
func mirrored(op Op) Op {
	switch op {
	case OpGreater:
		return OpLess
	case OpGreaterEq:
		return OpLessEq
	case OpLess:
		return OpGreater
	case OpLessEq:
		return OpGreaterEq
	default:
		return op
	}
}

// constant computes an expression in which no field occurs. What has no value,
// such as 1 / (1 - 1), is not one: nil would be found where a field is missing.
func constant(x FieldExpr) (*Literal, bool) {
	if lit, ok := x.(*Literal); ok {
		return lit, true
	}
	if mentionsField(x) {
		return nil, false
	}
	compiled, err := compileExpr(x)
	if err != nil {
		return nil, false
	}
	values := operand(compiled, nil, 0, nil)
	if len(values) != 1 {
		return nil, false
	}
	v := values[0]
	lit := &Literal{At: x.Position(), Kind: v.Type, Int: v.Num, Str: v.Str}
	if v.Type == TypeFloat {
		lit.Int, lit.Float = 0, v.Float()
	}
	return lit, true
}

func mentionsField(x FieldExpr) bool {
	switch x := x.(type) {
	case *Attribute:
		return true
	case *Unary:
		return mentionsField(x.X)
	case *Binary:
		return mentionsField(x.LHS) || mentionsField(x.RHS)
	default:
		return false
	}
}
