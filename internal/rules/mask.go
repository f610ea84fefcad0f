package rules

import (
	"bytes"
	"strings"
)

// mask appends text to dst with its secrets replaced. Without any, dst is
// returned as it was.
func mask(dst, text []byte) (out []byte, found bool) {
	i := suspect(text, 0)
	if i < 0 {
		return dst, false
	}
	m := masker{text: text, out: dst}
	for ; i >= 0; i = suspect(text, i) {
		i = max(i+1, m.at(i))
	}
	if !m.found {
		return dst, false
	}
	return append(m.out, text[m.next:]...), true
}

type masker struct {
	text  []byte
	out   []byte
	next  int // what is not yet appended
	found bool
	sql   int8 // whether quoted text may be a secret; 0: not known yet
}

// hide replaces the text from one place to another, and returns the latter.
func (m *masker) hide(from, to int) int {
	if from < m.next {
		from = m.next
	}
	if to <= from {
		return to
	}
	m.out = append(append(m.out, m.text[m.next:from]...), masked...)
	m.next, m.found = to, true
	return to
}

// at looks at a place where a secret may begin. It returns where to go on, 0 for
// the next byte.
func (m *masker) at(i int) int {
	t := m.text
	switch t[i] {
	case '=':
		return m.assigned(i, i+1)
	case ':':
		if bytes.HasPrefix(t[i:], authorityMark) {
			return m.userinfo(i + len(authorityMark))
		}
		return m.assigned(i, i+1)
	case '%':
		if len(t) >= i+3 && t[i+1] == '3' && (t[i+2]|0x20 == 'd' || t[i+2]|0x20 == 'a') { // = and :
			return m.assigned(i, i+3)
		}
		if len(t) >= i+3 && t[i+1] == '2' && t[i+2] == '0' {
			return m.scheme(i, i+3)
		}
	case ' ', '+':
		return m.scheme(i, i+1)
	case '\'':
		return m.quoted(i)
	}
	return 0
}

// assigned hides what follows the name of a secret and = or :.
func (m *masker) assigned(at, from int) int {
	t := m.text
	end := nameEnd(t, at)
	begin := end
	for begin > 0 && end-begin < maxName && isNameByte(t[begin-1]) {
		begin--
	}
	if end-begin < 2 {
		return 0
	}
	name := t[begin:end]
	// %3Ftoken%3D: what was encoded before a name is not part of it.
	if begin > 0 && t[begin-1] == '%' && len(name) > 2 {
		name = name[2:]
		begin += 2
	}
	name = name[bytes.LastIndexByte(name, '.')+1:]
	if !assignedTails.fits(name) {
		return 0
	}
	var buffer [2 * maxName]byte
	short := normal(buffer[:0], name)
	if !secretName(short) && !(m.isParameter(begin) && secretParameters[string(short)]) {
		return 0
	}
	for from < len(t) && t[from] == ' ' {
		from++
	}
	header := string(short) == "authorization" || string(short) == "proxy_authorization" || strings.HasSuffix(string(short), "cookie")
	return m.hideValue(from, header)
}

// isParameter says whether a name that begins here is that of a parameter.
func (m *masker) isParameter(begin int) bool {
	if begin == 0 {
		return false
	}
	switch c := m.text[begin-1]; c {
	case '?', '&', ';', '#':
		return true
	}
	before := m.text[:begin]
	return len(before) >= 3 && (bytes.HasSuffix(before, []byte("%3F")) || bytes.HasSuffix(before, []byte("%3f")) || bytes.HasSuffix(before, []byte("%26")))
}

// hideValue hides a value: up to its quote, or to what ends an unquoted one. That
// of a header goes to the end of the line.
func (m *masker) hideValue(from int, line bool) int {
	t := m.text
	if from >= len(t) {
		return 0
	}
	escaped := t[from] == '\\' && from+1 < len(t)
	if escaped {
		from++
	}
	if q := t[from]; q == '"' || q == '\'' || q == '`' {
		end := closing(t, from, escaped)
		m.hide(from+1, end)
		return min(end+1, len(t)) // or the closing quote would open the next literal
	}
	end := from
	for end < len(t) && !endsValue(t, end, line) {
		end++
	}
	return m.hide(from, end)
}

func endsValue(t []byte, i int, line bool) bool {
	switch t[i] {
	case '\r', '\n', '"', '\'':
		return true
	case ' ', '\t', '&', ';', ',', ')', '}', ']', '#', '<', '>', '|':
		return !line
	case '%': // an encoded & or #
		return !line && len(t) >= i+3 && t[i+1] == '2' && (t[i+2] == '6' || t[i+2] == '3')
	}
	return false
}

// closing finds the quote that ends what the one at begin begins, else the end.
func closing(t []byte, begin int, escaped bool) int {
	q := t[begin]
	for i := begin + 1; i < len(t); i++ {
		switch {
		case t[i] == '\\' && escaped && i+1 < len(t) && t[i+1] == q:
			return i
		case t[i] == '\\':
			i++
		case t[i] == q && i+1 < len(t) && t[i+1] == q && q == '\'':
			i++
		case t[i] == q:
			return i
		}
	}
	return len(t)
}

// userinfo hides the password of a URL whose authority begins here. Without a
// colon the whole is hidden: it is a token then.
func (m *masker) userinfo(from int) int {
	t := m.text
	at := userinfoEnd(t, from)
	if at < 0 {
		return 0
	}
	secret := from
	if colon := bytes.IndexByte(t[from:at], ':'); colon >= 0 {
		secret = from + colon + 1
	}
	return m.hide(secret, at)
}

// schemes are words before credentials.
var (
	schemes     = []string{"bearer", "basic", "token"}
	schemeTails = new(tails).add(schemes...)
)

// scheme hides the credentials behind one of the schemes.
func (m *masker) scheme(blank, from int) int {
	t := m.text
	for _, word := range schemes {
		begin := blank - len(word)
		if begin < 0 || !bytes.EqualFold(t[begin:blank], []byte(word)) || begin > 0 && isNameByte(t[begin-1]) {
			continue
		}
		for from < len(t) && t[from] == ' ' {
			from++
		}
		end := from
		for end < len(t) && (isNameByte(t[end]) || bytes.IndexByte([]byte("~+/=%"), t[end]) >= 0) {
			end++
		}
		if end-from >= 8 {
			return m.hide(from, end)
		}
	}
	return 0
}

// quoted hides a literal of SQL where the text speaks of secrets anywhere: in
// INSERT the names of columns stand far from their values.
func (m *masker) quoted(i int) int {
	if m.sql == 0 {
		m.sql = -1
		if speaksOfSecrets(m.text) {
			m.sql = 1
		}
	}
	if m.sql < 0 {
		return 0
	}
	end := closing(m.text, i, false)
	m.hide(i+1, end)
	return min(end+1, len(m.text))
}

// sqlWords are parts of the names of secrets, and of SQL about passwords.
var sqlWords = []string{"passw", "pwd", "secret", "token", "api_key", "apikey", "identified", "private_key", "credential", "passphrase"}

var sqlTails = new(tails).add(sqlWords...)

func speaksOfSecrets(text []byte) bool {
	for end := tailSize; end <= len(text); end++ {
		if sqlTails[tailIndex(text, end)] != 0 && endsWithAny(text[:end], sqlWords) {
			return true
		}
	}
	return false
}

// endsWithAny compares without case.
func endsWithAny(text []byte, words []string) bool {
	for _, w := range words {
		if n := len(text) - len(w); n >= 0 && bytes.EqualFold(text[n:], []byte(w)) {
			return true
		}
	}
	return false
}

func isNameByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '-' || c == '.'
}
