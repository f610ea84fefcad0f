package traceql

import (
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// quoted reads a string: "x" with the escapes of Go, or `x` with none.
func (l *lexer) quoted(t token) (token, error) {
	t.kind = tokenString
	if l.text[0] == '`' {
		end := strings.IndexByte(l.text[1:], '`')
		if end < 0 {
			return t, errorAt(t.at, "the string does not end, expected `")
		}
		t.text = strings.ReplaceAll(l.take(end + 2)[1:end+1], "\r", "")
		return t, nil
	}
	var b strings.Builder
	for rest := l.text[1:]; ; {
		plain := strings.IndexAny(rest, "\"\\\n")
		if plain < 0 || rest[plain] == '\n' {
			return t, errorAt(t.at, `the string does not end in its line, expected "`)
		}
		b.WriteString(rest[:plain])
		rest = rest[plain:]
		if rest[0] == '"' {
			t.text = b.String()
			l.take(len(l.text) - len(rest) + 1)
			return t, nil
		}
		r, multibyte, tail, err := strconv.UnquoteChar(rest, '"')
		if err != nil {
			return t, errorAt(t.at, "unknown escape in a string")
		}
		if multibyte {
			b.WriteRune(r)
		} else {
			b.WriteByte(byte(r))
		}
		rest = tail
	}
}

// number reads an integer, a float or a duration.
func (l *lexer) number(t token) (token, error) {
	s := l.take(numberLen(l.text))
	var err error
	switch {
	case strings.IndexFunc(s, unicode.IsLetter) < 0 && !strings.Contains(s, "."):
		t.kind = tokenInt
		if len(s) > 1 && s[0] == '0' && strings.ContainsAny(s, "89") {
			return t, errorAt(t.at, "%s is not a number: after a leading 0 the digits end at 7", s)
		}
		t.int, err = strconv.ParseInt(s, 10, 64)
	case isFloat(s):
		t.kind = tokenFloat
		t.float, err = strconv.ParseFloat(s, 64)
	default:
		var d time.Duration
		t.kind = tokenDuration
		d, err = ParseDuration(s)
		t.int = int64(d)
	}
	switch {
	case err == nil:
		return t, nil
	case t.kind == tokenDuration:
		return t, errorAt(t.at, "%.40q is not a duration, expected for example 100ms", s)
	default:
		return t, errorAt(t.at, "%.40s is out of range", s)
	}
}

// numberLen returns the length of the number with its exponent or its units.
func numberLen(s string) int {
	letter := rune(0)
	for i, r := range s {
		switch {
		case r >= '0' && r <= '9' || r == '.':
		case (r == '+' || r == '-') && (letter == 'e' || letter == 'E') && isFloatHead(s[:i-1]):
		case unicode.IsLetter(r) || r == '_':
			letter = r
			continue
		default:
			return i
		}
		letter = 0
	}
	return len(s)
}

// isFloat says whether the text has a point or an exponent and no unit.
func isFloat(s string) bool {
	if i := strings.IndexAny(s, "eE"); i >= 0 {
		exponent := strings.TrimLeft(s[i+1:], "+-")
		return isFloatHead(s[:i]) && exponent != "" && strings.Trim(exponent, "0123456789") == ""
	}
	return isFloatHead(s)
}

func isFloatHead(s string) bool {
	return strings.Trim(s, "0123456789.") == "" && strings.Count(s, ".") <= 1
}

// ParseDuration knows Go's durations (1h30m, 1.5s, 10µs) and Prometheus' days,
// weeks and years (1d12h).
func ParseDuration(s string) (time.Duration, error) {
	if d, err := time.ParseDuration(s); err == nil {
		return d, nil
	}
	if s == "" {
		return 0, strconv.ErrSyntax
	}
	var sum time.Duration
	for s != "" {
		n := len(s) - len(strings.TrimLeft(s, "0123456789"))
		word := s[n : len(s)-len(strings.TrimLeft(s[n:], "ywdhms"))]
		unit := units[word]
		count, err := strconv.ParseInt(s[:n], 10, 64)
		if err != nil || unit == 0 || time.Duration(count) > (math.MaxInt64-sum)/unit {
			return 0, strconv.ErrSyntax
		}
		sum += time.Duration(count) * unit
		s = s[n+len(word):]
	}
	return sum, nil
}

const day = 24 * time.Hour

var units = map[string]time.Duration{
	"y": 365 * day, "w": 7 * day, "d": day, "h": time.Hour, "m": time.Minute, "s": time.Second,
	"ms": time.Millisecond,
}
