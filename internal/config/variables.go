package config

import (
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"
)

// variables finds ${VAR} and ${VAR:-default} in a file and replaces them by the
// environment's values; $${ stands for a plain ${. The default also stands for
// an empty value, as in a shell. It works on values after parsing, so that a
// value cannot change the structure of the file. Before parsing each variable
// is hidden behind private-use characters of the same number, since the braces
// mean something to YAML; line and column of everything stay as they are.
type variables struct {
	found []string
}

const (
	hiddenFirst = '\uE000' // + number of the variable
	hiddenLast  = '\uE7FF'
	hiddenFill  = '\uE800'
)

var (
	variable = regexp.MustCompile(`\$\$\{|\$\{([A-Za-z_][A-Za-z0-9_]*)(:-([^}\n]*))?\}`)
	hidden   = regexp.MustCompile("[\uE000-\uE7FF]\uE800+")
)

func (v *variables) hide(text []byte) []byte {
	return variable.ReplaceAllFunc(text, func(match []byte) []byte {
		if hiddenFirst+rune(len(v.found)) > hiddenLast {
			return match
		}
		v.found = append(v.found, string(match))
		return []byte(string(hiddenFirst+rune(len(v.found)-1)) + strings.Repeat(string(hiddenFill), utf8.RuneCount(match)-1))
	})
}

func (v *variables) expand(text string, getenv func(string) (string, bool)) (string, error) {
	var missing string
	out := hidden.ReplaceAllStringFunc(text, func(match string) string {
		first, _ := utf8.DecodeRuneInString(match)
		if i := int(first - hiddenFirst); i < len(v.found) {
			match = v.found[i]
		}
		if match == "$${" {
			return "${"
		}
		m := variable.FindStringSubmatch(match)
		if m == nil {
			return match // the file's own private-use characters
		}
		if value, ok := getenv(m[1]); ok && (value != "" || m[2] == "") {
			return value
		}
		if m[2] == "" && missing == "" {
			missing = m[1]
		}
		return m[3]
	})
	if missing != "" {
		return "", fmt.Errorf("the environment variable %s is not set; set it, or write ${%s:-default}", missing, missing)
	}
	return out, nil
}
