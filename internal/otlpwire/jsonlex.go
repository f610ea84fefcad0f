package otlpwire

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf16"
	"unicode/utf8"
)

// lexer reads JSON as RFC 8259 has it. Its methods report false after having
// set err.
type lexer struct {
	b        []byte
	pos      int
	err      *scanError
	maxDepth int
}

func (x *lexer) fail(what problem, at int) bool {
	x.err = &scanError{kind: ErrMalformed, what: what, offset: at}
	return false
}

// unexpected refuses what stands at pos.
func (x *lexer) unexpected() bool {
	if x.pos >= len(x.b) {
		return x.fail(endOfJSON, len(x.b))
	}
	return x.fail(notJSON, x.pos)
}

// space skips white space and returns the byte behind it without taking it, 0
// at the end. A zero byte is not JSON anywhere, so the two need no telling apart.
func (x *lexer) space() byte {
	for ; x.pos < len(x.b); x.pos++ {
		switch c := x.b[x.pos]; c {
		case ' ', '\t', '\n', '\r':
		default:
			return c
		}
	}
	return 0
}

// take skips white space and takes c, or refuses what stands there.
func (x *lexer) take(c byte) bool {
	if x.space() != c {
		return x.unexpected()
	}
	x.pos++
	return true
}

// more says after an element whether another follows, and takes the comma or
// the closing bracket.
func (x *lexer) more(closing byte) (more, ok bool) {
	switch x.space() {
	case ',':
		x.pos++
		return true, true
	case closing:
		x.pos++
		return false, true
	}
	return false, x.unexpected()
}

// literal takes true, false or null.
func (x *lexer) literal(word string) bool {
	if len(x.b)-x.pos < len(word) || string(x.b[x.pos:x.pos+len(word)]) != word {
		return x.unexpected()
	}
	x.pos += len(word)
	return true
}

// number takes a number.
func (x *lexer) number() (text []byte, ok bool) {
	n := numberLen(x.b[x.pos:])
	if n == 0 {
		return nil, x.unexpected()
	}
	x.pos += n
	return x.b[x.pos-n : x.pos], true
}

// str takes a string and returns what stands between its quotes. With escapes
// it is still to be unescaped; it may be invalid UTF-8.
func (x *lexer) str() (text []byte, escapes, ok bool) {
	if !x.take('"') {
		return nil, false, false
	}
	from := x.pos
	for {
		x.pos += plainRun(x.b[x.pos:])
		if x.pos == len(x.b) {
			return nil, false, x.unexpected()
		}
		switch x.b[x.pos] {
		case '"':
			x.pos++
			return x.b[from : x.pos-1], escapes, true
		case '\\':
			escapes = true
			if !x.escape() {
				return nil, false, false
			}
		default:
			return nil, false, x.fail(controlCharacter, x.pos)
		}
	}
}

// plainRun is the number of bytes before the first quote, backslash or control
// character. It looks at eight at a time: x-ones has the high bit set in the
// lowest byte of x that is zero, and x-ones*n in the lowest that is less than n.
func plainRun(b []byte) int {
	const ones = 0x0101010101010101
	i := 0
	for ; i+8 <= len(b); i += 8 {
		x := binary.LittleEndian.Uint64(b[i:])
		quote, backslash := x^ones*'"', x^ones*'\\'
		found := ((quote-ones)&^quote | (backslash-ones)&^backslash | (x-ones*' ')&^x) & highBits
		if found != 0 {
			return i + bits.TrailingZeros64(found)/8
		}
	}
	for ; i < len(b); i++ {
		if c := b[i]; c == '"' || c == '\\' || c < ' ' {
			break
		}
	}
	return i
}

// escape takes an escape sequence.
func (x *lexer) escape() bool {
	at := x.pos
	if x.pos++; x.pos == len(x.b) {
		return x.unexpected()
	}
	switch x.b[x.pos] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		x.pos++
		return true
	case 'u':
		if _, ok := hex4(x.b[x.pos+1:]); ok {
			x.pos += 5
			return true
		}
	}
	return x.fail(badEscape, at)
}

// hex4 reads the four digits of a \u escape.
func hex4(b []byte) (rune, bool) {
	if len(b) < 4 {
		return 0, false
	}
	var r rune
	for _, c := range b[:4] {
		d := hexDigits[c]
		if d > 15 {
			return 0, false
		}
		r = r<<4 | rune(d)
	}
	return r, true
}

// hexDigits has the values of hexadecimal digits; anything else is above 15.
var hexDigits = func() (table [256]byte) {
	for c := range table {
		table[c] = 255
	}
	for i := range "0123456789abcdef" {
		table["0123456789abcdef"[i]] = byte(i)
		table["0123456789ABCDEF"[i]] = byte(i)
	}
	return table
}()

// appendUnescaped appends what str found, unescaped. Half a surrogate pair
// becomes U+FFFD.
func appendUnescaped(dst, text []byte) []byte {
	for i := 0; i < len(text); {
		if text[i] != '\\' {
			dst = append(dst, text[i])
			i++
			continue
		}
		c := text[i+1]
		i += 2
		switch c {
		case 'b':
			c = '\b'
		case 'f':
			c = '\f'
		case 'n':
			c = '\n'
		case 'r':
			c = '\r'
		case 't':
			c = '\t'
		case 'u':
			r, _ := hex4(text[i:])
			i += 4
			if utf16.IsSurrogate(r) {
				var low rune
				if len(text)-i >= 6 && binary.BigEndian.Uint16(text[i:]) == '\\'<<8|'u' {
					low, _ = hex4(text[i+2:])
				}
				if r = utf16.DecodeRune(r, low); r != utf8.RuneError {
					i += 6
				}
			}
			dst = utf8.AppendRune(dst, r)
			continue
		}
		dst = append(dst, c)
	}
	return dst
}

// skip takes any value, whose arrays and objects may nest maxDepth deep.
func (x *lexer) skip(depth int) bool {
	switch c := x.space(); c {
	case '"':
		at := x.pos
		text, _, ok := x.str()
		if ok && !validText(text) {
			return x.fail(notUTF8, at)
		}
		return ok
	case 't':
		return x.literal("true")
	case 'f':
		return x.literal("false")
	case 'n':
		return x.literal("null")
	case '{', '[':
		if depth == x.maxDepth {
			x.err = &scanError{kind: ErrTooDeep, what: nestedJSON, offset: x.pos, limit: x.maxDepth}
			return false
		}
		return x.skipAll(c, depth+1)
	default:
		_, ok := x.number()
		return ok
	}
}

// skipAll takes an object or array.
func (x *lexer) skipAll(opening byte, depth int) bool {
	closing := opening + 2 // } behind {, ] behind [
	x.pos++
	if x.space() == closing {
		x.pos++
		return true
	}
	for more := true; more; {
		if opening == '{' {
			if x.space() != '"' {
				return x.unexpected()
			}
			if !x.skip(depth) || !x.take(':') {
				return false
			}
		}
		if !x.skip(depth) {
			return false
		}
		var ok bool
		if more, ok = x.more(closing); !ok {
			return false
		}
	}
	return true
}
