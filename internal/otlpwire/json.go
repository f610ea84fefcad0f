package otlpwire

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"math"
	"strconv"
	"unsafe"
)

// FromJSON turns an OTLP/JSON request into protobuf appended to dst, for
// Filter to scan. It allocates nothing but the growth of dst.
//
// The body must be one JSON object and nothing else. Keys are lowerCamelCase;
// others, snake_case ones too, are ignored with their values, except for those
// that would have all spans ignored (lostJSON): they make the request malformed.
// Integers may be
// strings; enums may not. Identifiers are hexadecimal: one of the wrong length or
// all zero makes Filter drop its span, any other character makes the request
// malformed, and so does a number out of range. null stands for an absent value,
// or an empty element. Text that is not UTF-8 is for Filter to judge.
//
// pdata's UnmarshalJSON, against which it is fuzzed, is not behind it: there the
// 1.8 MB of 600,000 empty spans take 137 MB, and a time beyond 64 bits wraps
// silently. Compared with it, FromJSON refuses more: what is not JSON by RFC 8259
// (control characters in strings, bytes after the object), a top-level null, enum
// names, keys and values of unknown keys that are not UTF-8, quoted numbers that
// JSON would not write without the quotes, except "NaN", "Infinity" and
// "-Infinity" for doubleValue, integers out of range, identifiers with quotes
// within their quotes, line breaks in base64, and what exceeds the Limits. It
// ignores snake_case keys, and keyStrindex and stringValueStrindex, which are of
// profiles alone. It refuses less: identifiers of the wrong length, null
// for numbers and booleans, base64 that is URL-safe or not padded, and numbers
// beyond float32 of unknown keys. Of three halves of surrogate pairs in a row it
// pairs those that belong together. An empty key is ignored with its value, where
// pdata takes the object for finished.
func (l *Limits) FromJSON(dst, body []byte) ([]byte, error) {
	t := transcoder{limits: l.withDefaults(), out: dst}
	t.b = body
	t.maxDepth = t.limits.MaxDepth
	if bytes.HasPrefix(body, []byte("\xef\xbb\xbf")) {
		t.fail(byteOrderMark, 0)
		return nil, t.err
	}
	if t.space() != '{' {
		t.unexpected()
		return nil, t.err
	}
	if !t.object(requestJSON, 0) {
		return nil, t.err
	}
	if t.space(); t.pos < len(body) {
		t.fail(trailingData, t.pos)
		return nil, t.err
	}
	return t.out, nil
}

// transcoder writes protobuf while it reads JSON.
type transcoder struct {
	lexer
	limits     Limits
	out        []byte
	counts     [len(jsonFields)]int // repeated elements by their message
	attributes int
}

// object takes a JSON object, writing the fields of message. depth is how many
// messages the ArrayValues and KeyValueLists that it is in make of it.
func (t *transcoder) object(message jsonMessage, depth int) bool {
	t.pos++
	if t.space() == '}' {
		t.pos++
		return true
	}
	for more := true; more; {
		field, ok := t.key(message)
		if !ok {
			return false
		}
		if field == nil {
			ok = t.skip(0)
		} else {
			ok = t.value(field, depth)
		}
		if !ok {
			return false
		}
		if more, ok = t.more('}'); !ok {
			return false
		}
	}
	return true
}

// key takes a key and its colon; field is nil when message has none by this name.
func (t *transcoder) key(message jsonMessage) (field *jsonField, ok bool) {
	t.space()
	at := t.pos
	text, escapes, ok := t.str()
	if !ok {
		return nil, false
	}
	name := text
	if escapes {
		name = t.unescape(text)
	}
	for i := range jsonFields[message] {
		if f := &jsonFields[message][i]; f.key == string(name) {
			return f, t.take(':')
		}
	}
	if !validText(text) {
		return nil, t.fail(notUTF8, at)
	}
	if what, lost := lostJSON[message][string(name)]; lost {
		return nil, t.fail(what, at)
	}
	return nil, t.take(':')
}

// unescape returns text unescaped, in the room behind out: it lasts until
// something is written.
func (t *transcoder) unescape(text []byte) []byte {
	mark := len(t.out)
	t.out = appendUnescaped(t.out, text)
	text, t.out = t.out[mark:], t.out[:mark]
	return text
}

// value takes the value of a field and writes the field.
func (t *transcoder) value(f *jsonField, depth int) bool {
	c := t.space()
	if c == 'n' {
		return t.null(f)
	}
	switch f.kind {
	case messageKind:
		return t.nested(f, depth)
	case repeatedKind, textsKind:
		return t.repeated(f, depth)
	case boolKind:
		return t.boolean(f)
	case textKind, traceIDKind, spanIDKind, bytesKind:
		return t.text(f)
	}
	at := t.pos
	if c == '"' && f.kind == enumKind {
		return t.fail(enumText, at)
	}
	if c != '"' && c != '-' && (c < '0' || c > '9') {
		return t.wrongType()
	}
	var text []byte
	var escapes, ok bool
	if c == '"' {
		text, escapes, ok = t.str()
	} else {
		text, ok = t.number()
	}
	if !ok {
		return false
	}
	if escapes {
		text = t.unescape(text)
	}
	bits, ok := parseNumber(f.kind, text, c == '"')
	if !ok {
		return t.fail(badNumber, at)
	}
	switch f.kind {
	case doubleKind, fixed64Kind:
		t.tag(f, wireFixed64)
		t.out = binary.LittleEndian.AppendUint64(t.out, bits)
	case fixed32Kind:
		t.tag(f, wireFixed32)
		t.out = binary.LittleEndian.AppendUint32(t.out, uint32(bits))
	default:
		t.tag(f, wireVarint)
		t.out = binary.AppendUvarint(t.out, bits)
	}
	return true
}

// parseNumber gives the bits that protobuf has for a number.
func parseNumber(kind jsonKind, text []byte, quoted bool) (bits uint64, ok bool) {
	s := unsafe.String(unsafe.SliceData(text), len(text))
	if kind == doubleKind {
		switch {
		case quoted && s == "NaN":
			return math.Float64bits(math.NaN()), true
		case quoted && s == "Infinity":
			return math.Float64bits(math.Inf(1)), true
		case quoted && s == "-Infinity":
			return math.Float64bits(math.Inf(-1)), true
		}
		f, ok := parseDecimal(text)
		return math.Float64bits(f), ok
	}
	if numberLen(text) != len(text) || len(text) == 0 {
		return 0, false
	}
	var err error
	switch kind {
	case int64Kind, enumKind:
		size := 64
		if kind == enumKind {
			size = 32
		}
		var n int64
		n, err = strconv.ParseInt(s, 10, size)
		bits = uint64(n)
	case fixed64Kind:
		bits, err = strconv.ParseUint(s, 10, 64)
	default:
		bits, err = strconv.ParseUint(s, 10, 32)
	}
	return bits, err == nil
}

// wrongType refuses what stands at pos: a value, but another was wanted, or no
// value at all.
func (t *transcoder) wrongType() bool {
	switch c := t.space(); c {
	case '{', '[', '"', 't', 'f', 'n', '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
		return t.fail(wrongJSONType, t.pos)
	}
	return t.unexpected()
}

// null takes null where any value may stand. Of a message or a string it makes an
// empty one, which in a oneof is not the same as nothing.
func (t *transcoder) null(f *jsonField) bool {
	switch f.kind {
	case messageKind, textKind, traceIDKind, spanIDKind, bytesKind:
		t.tag(f, wireBytes)
		t.out = append(t.out, 0)
	}
	return t.literal("null")
}

func (t *transcoder) boolean(f *jsonField) bool {
	t.tag(f, wireVarint)
	switch t.space() {
	case 't':
		t.out = append(t.out, 1)
		return t.literal("true")
	case 'f':
		t.out = append(t.out, 0)
		return t.literal("false")
	}
	return t.wrongType()
}

func (t *transcoder) nested(f *jsonField, depth int) bool {
	if t.space() != '{' {
		return t.wrongType()
	}
	if f.message == arrayJSON || f.message == listJSON {
		if f.message == arrayJSON {
			depth += arrayDepth
		} else {
			depth += listDepth
		}
		if attributeDepth+depth > t.maxDepth {
			t.err = &scanError{kind: ErrTooDeep, what: nestedValues, offset: t.pos, limit: t.maxDepth}
			return false
		}
	}
	mark := t.open(f, depth)
	if !t.object(f.message, depth) {
		return false
	}
	t.close(mark, depth)
	return true
}

func (t *transcoder) repeated(f *jsonField, depth int) bool {
	if t.space() != '[' {
		return t.wrongType()
	}
	t.pos++
	if t.space() == ']' {
		t.pos++
		return true
	}
	for more := true; more; {
		var ok bool
		switch c := t.space(); {
		case !t.count(f.message):
			return false
		case c == 'n':
			t.tag(f, wireBytes)
			t.out = append(t.out, 0)
			ok = t.literal("null")
		case c == '"' && f.kind == textsKind:
			ok = t.text(f)
		case c == '{' && f.kind == repeatedKind:
			mark := t.open(f, depth)
			ok = t.object(f.message, depth)
			t.close(mark, depth)
		default:
			return t.wrongType()
		}
		if !ok {
			return false
		}
		if more, ok = t.more(']'); !ok {
			return false
		}
	}
	return true
}

// count bounds repeated elements as the scanner does.
func (t *transcoder) count(message jsonMessage) bool {
	n, limit, what := &t.attributes, t.limits.MaxAttributes, manyAttributes
	switch message {
	case spanJSON:
		n, limit, what = &t.counts[message], t.limits.MaxSpans, manySpans
	case resourceSpansJSON, scopeSpansJSON:
		n, limit, what = &t.counts[message], t.limits.MaxSpans, manyContainers
	}
	if *n++; *n > limit {
		t.err = &scanError{kind: ErrTooMany, what: what, offset: t.pos, limit: limit}
		return false
	}
	return true
}

// text takes a string and writes it as text, identifier or bytes.
func (t *transcoder) text(f *jsonField) bool {
	if t.space() != '"' {
		return t.wrongType()
	}
	at := t.pos
	text, escapes, ok := t.str()
	if !ok {
		return false
	}
	mark := t.open(f, 0)
	from := len(t.out)
	if escapes {
		t.out = appendUnescaped(t.out, text)
		text = t.out[from:]
	}
	switch f.kind {
	case textKind, textsKind:
		if !escapes {
			t.out = append(t.out, text...)
		}
	case bytesKind:
		if t.out, ok = appendBase64(t.out[:from], text); !ok {
			return t.fail(badBase64, at)
		}
	default:
		size := 8
		if f.kind == traceIDKind {
			size = 16
		}
		if t.out, ok = appendID(t.out[:from], text, size); !ok {
			return t.fail(badHex, at)
		}
	}
	t.close(mark, 0)
	return true
}

// appendID appends an identifier of size bytes. One of another length becomes a
// single zero byte: invalid whatever the size, so that Filter drops its span. Text
// may lie where the result goes.
func appendID(dst, text []byte, size int) (id []byte, ok bool) {
	var all byte
	for _, c := range text {
		all |= hexDigits[c]
	}
	switch {
	case all > 15:
		return dst, false
	case len(text) == 0:
		return dst, true
	case len(text) != 2*size:
		return append(dst, 0), true
	}
	for i := range size {
		dst = append(dst, hexDigits[text[2*i]]<<4|hexDigits[text[2*i+1]])
	}
	return dst, true
}

// appendBase64 appends what text stands for in either alphabet, padded or not.
// Text may lie where the result goes.
func appendBase64(dst, text []byte) (data []byte, ok bool) {
	padded := len(text)
	for padding := 0; padding < 2 && len(text) > 0 && text[len(text)-1] == '='; padding++ {
		text = text[:len(text)-1]
	}
	if len(text) != padded && padded%4 != 0 {
		return dst, false
	}
	encoding := base64.RawStdEncoding
	for _, c := range text {
		switch c {
		case '-', '_':
			encoding = base64.RawURLEncoding
		case '\n', '\r':
			return dst, false
		}
	}
	data, err := encoding.AppendDecode(dst, text)
	return data, err == nil
}

func (t *transcoder) tag(f *jsonField, wire uint64) {
	t.out = binary.AppendUvarint(t.out, uint64(f.number)<<3|wire)
}

// deepWidth is how many bytes the length of a message takes that is nested so
// deep that moving its content, once a level, would multiply the work: a padded
// varint, which is not minimal but valid.
const (
	deep      = 4 * arrayDepth
	deepWidth = 5
)

// open begins a message or string of yet unknown length.
func (t *transcoder) open(f *jsonField, depth int) (mark int) {
	t.tag(f, wireBytes)
	mark = len(t.out)
	if depth >= deep {
		t.out = append(t.out, make([]byte, deepWidth)...)
	} else {
		t.out = append(t.out, 0)
	}
	return mark
}

// close writes the length of what was written since open.
func (t *transcoder) close(mark, depth int) {
	if depth >= deep {
		n := len(t.out) - mark - deepWidth
		for i := range deepWidth {
			t.out[mark+i] = byte(n>>(7*i)) | 0x80
		}
		t.out[mark+deepWidth-1] &= 0x7f
		return
	}
	n := len(t.out) - mark - 1
	if n < 0x80 {
		t.out[mark] = byte(n)
		return
	}
	var length [binary.MaxVarintLen64]byte
	width := binary.PutUvarint(length[:], uint64(n))
	t.out = append(t.out, length[:width-1]...)
	copy(t.out[mark+width:], t.out[mark+1:mark+1+n])
	copy(t.out[mark:], length[:width])
}
