package traceql

import (
	"cmp"
	"math"
	"strconv"
	"strings"
	"time"
)

// Value is one value of a span, or of an expression about it. The zero Value
// is nil: a missing value. Values are equal with == if they have the same type
// and the same content; NaN equals NaN then.
type Value struct {
	Type Type
	// Num holds an integer, nanoseconds, a status, a kind, 0 or 1 for a
	// boolean, and the bits of a float.
	Num int64
	Str string
}

// detached is the value without the memory that its text may be a part of.
func (v Value) detached() Value {
	v.Str = strings.Clone(v.Str)
	return v
}

// IntValue and its likes make values.
func IntValue(n int64) Value      { return Value{Type: TypeInt, Num: n} }
func StringValue(s string) Value  { return Value{Type: TypeString, Str: s} }
func DurationValue(n int64) Value { return Value{Type: TypeDuration, Num: n} }
func FloatValue(f float64) Value  { return Value{Type: TypeFloat, Num: int64(math.Float64bits(f))} }

// BoolValue makes a boolean.
func BoolValue(b bool) Value {
	v := Value{Type: TypeBool}
	if b {
		v.Num = 1
	}
	return v
}

// literalValue is the value that a query says.
func literalValue(l *Literal) Value {
	switch l.Kind {
	case TypeFloat:
		return FloatValue(l.Float)
	case TypeString:
		return StringValue(l.Str)
	default:
		return Value{Type: l.Kind, Num: l.Int}
	}
}

// Float is the value as a number: nanoseconds for a duration, and NaN for what
// is not a number.
func (v Value) Float() float64 {
	switch v.Type {
	case TypeFloat:
		return math.Float64frombits(uint64(v.Num))
	case TypeInt, TypeDuration:
		return float64(v.Num)
	default:
		return math.NaN()
	}
}

// IsTrue says whether the value is the boolean true.
func (v Value) IsTrue() bool { return v.Type == TypeBool && v.Num == 1 }

func (v Value) numeric() bool {
	return v.Type == TypeInt || v.Type == TypeFloat || v.Type == TypeDuration
}

// String is the value as the answers of a search show it: durations with their
// unit, statuses and kinds by name.
func (v Value) String() string {
	switch v.Type {
	case TypeString:
		return v.Str
	case TypeInt:
		return strconv.FormatInt(v.Num, 10)
	case TypeFloat:
		return formatFloat(v.Float())
	case TypeBool:
		return strconv.FormatBool(v.Num != 0)
	case TypeDuration:
		return time.Duration(v.Num).String()
	case TypeStatus:
		return enumName(statusNames[:], "status", v.Num)
	case TypeKind:
		return enumName(kindNames[:], "kind", v.Num)
	default:
		return "nil"
	}
}

// enumName names also the numbers that OTLP does not have (yet).
func enumName(names []string, what string, n int64) string {
	if n < 0 || n >= int64(len(names)) {
		return what + "(" + strconv.FormatInt(n, 10) + ")"
	}
	return names[n]
}

// compareValues says whether a op b. Numbers of all types compare with each
// other; other values compare with their own type alone, and a missing value
// with nothing.
func compareValues(op Op, a, b Value) bool {
	switch {
	case a.numeric() && b.numeric():
		if a.Type != TypeFloat && b.Type != TypeFloat {
			return holds(op, cmp.Compare(a.Num, b.Num))
		}
		return compareFloats(op, a.Float(), b.Float())
	case a.Type != b.Type || a.Type == TypeNil:
		return false
	case a.Type == TypeString:
		return holds(op, strings.Compare(a.Str, b.Str))
	case op != OpEq && op != OpNotEq: // the others have no order
		return false
	default:
		return holds(op, cmp.Compare(a.Num, b.Num))
	}
}

// compareFloats follows IEEE 754, which has NaN unequal to everything.
func compareFloats(op Op, a, b float64) bool {
	if math.IsNaN(a) || math.IsNaN(b) {
		return op == OpNotEq
	}
	return holds(op, cmp.Compare(a, b))
}

// holds says whether a comparison whose sign is c is what op asks.
func holds(op Op, c int) bool {
	switch op {
	case OpEq:
		return c == 0
	case OpNotEq:
		return c != 0
	case OpGreater:
		return c > 0
	case OpGreaterEq:
		return c >= 0
	case OpLess:
		return c < 0
	case OpLessEq:
		return c <= 0
	default:
		return false
	}
}
