package readapi

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
)

// parseLogfmt reads tags: a=b c="d e" f. The value of f is empty.
func parseLogfmt(text string) (map[string]string, error) {
	tags := map[string]string{}
	rest := text
	fail := func(what string) error {
		return fmt.Errorf("%s at pos %d", what, len(text)-len(rest)+1)
	}
	for {
		rest = strings.TrimLeftFunc(rest, unicode.IsSpace)
		if rest == "" {
			return tags, nil
		}
		end := strings.IndexFunc(rest, func(r rune) bool { return r <= ' ' || r == '=' || r == '"' })
		if end < 0 {
			end = len(rest)
		}
		if end == 0 || end < len(rest) && rest[end] == '"' {
			rest = rest[end:]
			return nil, fail(fmt.Sprintf("unexpected %q", rest[0]))
		}
		key, value := rest[:end], ""
		rest = rest[end:]
		if strings.HasPrefix(rest, "=") {
			rest = rest[1:]
			parsed, after, ok := logfmtValue(rest)
			if !ok {
				return nil, fail("invalid value")
			}
			value, rest = parsed, after
		}
		if _, twice := tags[key]; twice {
			return nil, fmt.Errorf("tag %s has been set twice", key)
		}
		tags[key] = value
	}
}

func logfmtValue(text string) (value, rest string, ok bool) {
	if strings.HasPrefix(text, `"`) {
		quoted, err := strconv.QuotedPrefix(text)
		if err != nil {
			return "", text, false
		}
		value, err = strconv.Unquote(quoted)
		return value, text[len(quoted):], err == nil
	}
	end := strings.IndexFunc(text, unicode.IsSpace)
	if end < 0 {
		end = len(text)
	}
	return text[:end], text[end:], !strings.ContainsAny(text[:end], `="`)
}
