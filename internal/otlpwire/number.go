package otlpwire

import (
	"strconv"
	"unsafe"
)

// parseDecimal reads a number as JSON writes it: no hexadecimal, no Inf, no
// NaN, no underscores. A number beyond float64 is none.
func parseDecimal(b []byte) (float64, bool) {
	if n := numberLen(b); n == 0 || n != len(b) {
		return 0, false
	}
	f, err := strconv.ParseFloat(unsafe.String(&b[0], len(b)), 64)
	if err != nil {
		return 0, false
	}
	return f, true
}

// numberLen is the length of the JSON number that b starts with, 0 if it
// starts with none.
func numberLen(b []byte) int {
	i := 0
	if i < len(b) && b[i] == '-' {
		i++
	}
	switch digits := digitsLen(b[i:]); {
	case digits == 0, digits > 1 && b[i] == '0':
		return 0
	default:
		i += digits
	}
	if i < len(b) && b[i] == '.' {
		digits := digitsLen(b[i+1:])
		if digits == 0 {
			return 0
		}
		i += 1 + digits
	}
	if i < len(b) && (b[i] == 'e' || b[i] == 'E') {
		i++
		if i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		digits := digitsLen(b[i:])
		if digits == 0 {
			return 0
		}
		i += digits
	}
	return i
}

func digitsLen(b []byte) int {
	n := 0
	for n < len(b) && b[n]-'0' < 10 {
		n++
	}
	return n
}
