package config

import (
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/parser"
)

// set reads text into the key's field, as it stands in a variable or a flag. A
// list or a map is YAML as in the file, or in short a,b and name=value,b=c.
func (k Key) set(c *Config, text string) error {
	f := k.field(c)
	switch {
	case k.Type == tailRulesType,
		f.Kind() == reflect.Slice && startsWith(text, "[", "- "),
		f.Kind() == reflect.Map && startsWith(text, "{"):
		return k.setYAML(c, text)
	case f.Kind() == reflect.Slice:
		return k.setList(c, splitList(text))
	case f.Kind() == reflect.Map:
		pairs := map[string]string{}
		for _, item := range splitList(text) {
			name, value, ok := strings.Cut(item, "=")
			switch {
			case !ok && k.Secret:
				return errors.New("is not of the form name=value,name=value")
			case !ok:
				return fmt.Errorf("%q is not of the form name=value,name=value", text)
			}
			pairs[strings.TrimSpace(name)] = strings.TrimSpace(value)
		}
		return k.setMap(c, pairs)
	default:
		return setScalar(f, text)
	}
}

func startsWith(text string, some ...string) bool {
	text = strings.TrimSpace(text)
	for _, s := range some {
		if strings.HasPrefix(text, s) {
			return true
		}
	}
	return false
}

// setYAML reads text as the file's value of the key.
func (k Key) setYAML(c *Config, text string) error {
	tree, err := parser.ParseBytes([]byte(text), 0)
	if err != nil || len(tree.Docs) != 1 || tree.Docs[0].Body == nil {
		var syntax yaml.Error
		if errors.As(err, &syntax) {
			return errors.New(syntax.GetMessage())
		}
		return fmt.Errorf("%q is not a %s", text, k.Type)
	}
	l := Loaded{Config: *c, Set: map[string]string{}, written: map[string]string{}, unusable: map[string]bool{}}
	f := file{path: "text", getenv: func(string) (string, bool) { return "", false }, into: &l}
	if err := f.value(k, tree.Docs[0].Body); err != nil {
		return err
	}
	*c = l.Config
	return nil
}

// splitList divides text at its commas, but for those between double quotes. The
// quotes stay: they are the item's own, as those of a rule.
func splitList(text string) []string {
	var items []string
	add := func(item string) {
		if item = strings.TrimSpace(item); item != "" {
			items = append(items, item)
		}
	}
	from := 0
	quoted, escaped := false, false
	for i, r := range text {
		switch {
		case escaped:
			escaped = false
		case quoted && r == '\\':
			escaped = true
		case r == '"':
			quoted = !quoted
		case r == ',' && !quoted:
			add(text[from:i])
			from = i + 1
		}
	}
	add(text[from:])
	return items
}
