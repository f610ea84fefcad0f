package traceql

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// lexer cuts the text of a query into tokens.
type lexer struct {
	text string // what is left
	at   Pos    // where that begins
}

// lex returns all tokens of the text, the last one of them tokenEnd.
func lex(text string) ([]token, error) {
	if len(text) > MaxQuery {
		return nil, errorAt(Pos{1, 1}, "the query has %d bytes, at most %d are allowed",
			len(text), MaxQuery)
	}
	if !utf8.ValidString(text) {
		return nil, errorAt(Pos{1, 1}, "the query is not valid UTF-8")
	}
	l := lexer{text: text, at: Pos{1, 1}}
	tokens := make([]token, 0, min(len(text)/4+2, MaxTokens))
	for {
		t, err := l.next()
		if err != nil {
			return nil, err
		}
		tokens = append(tokens, t)
		if t.kind == tokenEnd {
			return tokens, nil
		}
		if len(tokens) > MaxTokens {
			return nil, errorAt(t.at, "the query has more than %d words, signs and values; "+
				"instead of many comparisons use one with =~ and the values with | between them", MaxTokens)
		}
	}
}

// take moves on by n bytes and returns them.
func (l *lexer) take(n int) string {
	s := l.text[:n]
	l.text = l.text[n:]
	if i := strings.LastIndexByte(s, '\n'); i >= 0 {
		l.at.Line += strings.Count(s, "\n")
		l.at.Col = 1 + utf8.RuneCountInString(s[i+1:])
	} else {
		l.at.Col += utf8.RuneCountInString(s)
	}
	return s
}

// first returns the first character that is left, or -1.
func (l *lexer) first() rune {
	if l.text == "" {
		return -1
	}
	r, _ := utf8.DecodeRuneInString(l.text)
	return r
}

func (l *lexer) next() (token, error) {
	if err := l.skipBlanks(); err != nil {
		return token{}, err
	}
	t := token{at: l.at}
	r := l.first()
	switch {
	case r < 0:
		return t, nil
	case r == '"' || r == '`':
		return l.quoted(t)
	case r >= '0' && r <= '9', r == '.' && len(l.text) > 1 && isDigit(l.text[1]):
		return l.number(t)
	case r == '.':
		l.take(1)
		return l.attribute(t)
	case r == '_' || unicode.IsLetter(r):
		return l.word(t)
	}
	for _, s := range signs {
		if strings.HasPrefix(l.text, s) {
			t.kind, t.text = tokenSign, l.take(len(s))
			return t, nil
		}
	}
	return t, errorAt(t.at, "unexpected character %q", r)
}

// signs stand with the longer ones before those that they begin with.
var signs = []string{
	"&&", "||", "!>>", "!<<", "&>>", "&<<", "!>", "!<", "!~", "!=", "&>", "&<", "&~",
	"=~", ">=", "<=", ">>", "<<",
	"{", "}", "(", ")", ",", "|", "=", ">", "<", "~", "!", "+", "-", "*", "/", "%", "^",
}

func (l *lexer) skipBlanks() error {
	for {
		rest := strings.TrimLeftFunc(l.text, unicode.IsSpace)
		l.take(len(l.text) - len(rest))
		switch {
		case strings.HasPrefix(l.text, "//"):
			end := strings.IndexByte(l.text, '\n')
			if end < 0 {
				end = len(l.text)
			}
			l.take(end)
		case strings.HasPrefix(l.text, "/*"):
			end := strings.Index(l.text[2:], "*/")
			if end < 0 {
				return errorAt(l.at, "the comment does not end, expected */")
			}
			l.take(end + 4)
		default:
			return nil
		}
	}
}

// word reads a word. One that is a scope begins an attribute if a point
// follows at once, and an intrinsic if a colon does.
func (l *lexer) word(t token) (token, error) {
	end := strings.IndexFunc(l.text, func(r rune) bool {
		return r != '_' && !unicode.IsLetter(r) && !unicode.IsDigit(r)
	})
	if end < 0 {
		end = len(l.text)
	}
	t.kind, t.text = tokenWord, l.take(end)
	switch {
	case l.first() == '.' && t.text == "parent":
		t.parent = true
	case l.first() == '.' && scopeOf(t.text) != ScopeNone:
		t.scope = scopeOf(t.text)
	case l.first() == ':' && intrinsics[t.text] != nil:
		l.take(1)
		t.kind = tokenScope
		return t, nil
	default:
		return t, nil
	}
	l.take(1)
	return l.attribute(t)
}

// attribute reads the key of an attribute: parts with and without quotes, one
// behind the other.
func (l *lexer) attribute(t token) (token, error) {
	var key strings.Builder
	t.kind = tokenAttribute
	quoted := false
	for {
		end := strings.IndexFunc(l.text, func(r rune) bool { return r == '"' || !isKeyRune(r) })
		if end < 0 {
			end = len(l.text)
		}
		key.WriteString(l.take(end))
		if l.first() != '"' {
			break
		}
		quoted = true
		if err := l.quotedKey(&key); err != nil {
			return t, err
		}
	}
	t.text = key.String()
	if t.text == "" && !quoted {
		return t, errorAt(l.at, "expected the name of an attribute after the point")
	}
	return t, nil
}

// quotedKey knows the escapes \" and \\ alone, as Tempo does.
func (l *lexer) quotedKey(key *strings.Builder) error {
	start := l.at
	l.take(1)
	for {
		end := strings.IndexAny(l.text, `"\`)
		if end < 0 {
			return errorAt(start, `the quoted name does not end, expected "`)
		}
		key.WriteString(l.take(end))
		if l.text[0] == '"' {
			l.take(1)
			return nil
		}
		if len(l.text) < 2 || l.text[1] != '"' && l.text[1] != '\\' {
			return errorAt(l.at, `unknown escape in a quoted name, expected \" or \\`)
		}
		key.WriteString(l.take(2)[1:])
	}
}

// isKeyRune says whether a key without quotes may have the character.
func isKeyRune(r rune) bool {
	return !unicode.IsSpace(r) && !strings.ContainsRune("(){}=~!<>&|^,", r)
}

// bareKey says whether the key can be written without quotes.
func bareKey(key string, scope Scope) bool {
	if key == "" || scope == ScopeNone && isDigit(key[0]) {
		return false
	}
	return strings.IndexFunc(key, func(r rune) bool { return r == '"' || !isKeyRune(r) }) < 0
}

func isDigit(b byte) bool { return b >= '0' && b <= '9' }
