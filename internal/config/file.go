package config

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// file walks the syntax tree of a YAML file, so that each value is read by the
// same code as a variable's or a flag's, and each error has its line and
// column.
type file struct {
	path   string
	getenv func(string) (string, bool)
	into   *Loaded
	keys   map[string]Key  // by path
	groups map[string]bool // paths that have keys below them
	vars   variables
}

func (f *file) load(text []byte) error {
	tree, err := parser.ParseBytes(f.vars.hide(text), 0)
	if err != nil {
		f.into.unreadAll()
		var syntax yaml.Error
		if errors.As(err, &syntax) && syntax.GetToken() != nil {
			return f.errorAt(syntax.GetToken().Position.Line, syntax.GetToken().Position.Column, errors.New(syntax.GetMessage()))
		}
		return &Error{Where: f.path, Err: err}
	}
	var errs []error
	docs := slices.DeleteFunc(tree.Docs, func(d *ast.DocumentNode) bool { return d.Body == nil || d.Body.Type() == ast.CommentType })
	if len(docs) > 1 {
		f.into.unreadAll()
		return f.errorf(docs[1].Body, "a second YAML document; put everything into one")
	}
	for _, doc := range docs {
		errs = append(errs, f.mapping("", doc.Body)...)
	}
	return errors.Join(errs...)
}

// mapping reads the keys of a group such as receiver or receiver.tls.
func (f *file) mapping(group string, n ast.Node) []error {
	var pairs []*ast.MappingValueNode
	switch n := n.(type) {
	case *ast.MappingNode:
		pairs = n.Values
	case *ast.MappingValueNode:
		pairs = []*ast.MappingValueNode{n}
	case *ast.NullNode:
		return nil // a bare "receiver:" changes nothing
	default:
		return []error{f.errorf(n, "%s needs keys below it, not %q", orRoot(group), n.GetToken().Value)}
	}
	var errs []error
	for _, pair := range pairs {
		path := pair.Key.GetToken().Value
		if group != "" {
			path = group + "." + path
		}
		key, isKey := f.keys[path]
		switch {
		case isKey:
			if err := f.value(key, pair.Value); err != nil {
				f.into.unusable[key.Path] = true
				errs = append(errs, err)
			}
		case f.groups[path]:
			errs = append(errs, f.mapping(path, pair.Value)...)
		case renamed[path] != "":
			errs = append(errs, f.errorf(pair.Key, "%s %s", path, renamed[path]))
		default:
			errs = append(errs, f.errorf(pair.Key, "unknown key %s%s", path, f.suggest(path)))
		}
	}
	return errs
}

// value reads one setting.
func (f *file) value(k Key, n ast.Node) error {
	var errs []error
	var text string // of a single value
	switch k.Type {
	case tailRulesType:
		rules, err := f.tailRules(k, n)
		errs = append(errs, err)
		f.into.Tail.Rules = rules
	case "list":
		seq, ok := n.(*ast.SequenceNode)
		if !ok {
			return f.errorf(n, "%s is a list; write it like [a, b]", k.Path)
		}
		items := make([]string, len(seq.Values))
		for i, item := range seq.Values {
			var err error
			items[i], err = f.scalar(k, item)
			errs = append(errs, err)
		}
		errs = append(errs, k.setList(&f.into.Config, items))
	case "map":
		var pairs []*ast.MappingValueNode
		switch n := n.(type) {
		case *ast.MappingNode:
			pairs = n.Values
		case *ast.MappingValueNode:
			pairs = []*ast.MappingValueNode{n}
		default:
			return f.errorf(n, "%s is a map; write it like {name: value}", k.Path)
		}
		texts := make(map[string]string, len(pairs))
		for _, pair := range pairs {
			name := pair.Key.GetToken().Value
			text, err := f.scalar(k, pair.Value)
			if err == nil {
				if err = k.setMap(new(Config), map[string]string{name: text}); err != nil {
					err = f.errorf(pair.Value, "%s.%w", k.Path, err)
				}
			}
			errs = append(errs, err)
			texts[name] = text
		}
		if errors.Join(errs...) == nil {
			errs = append(errs, k.setMap(&f.into.Config, texts))
		}
	default:
		if n.Type() == ast.NullType {
			return nil // the default stays
		}
		var err error
		if text, err = f.scalar(k, n); err == nil {
			if err = k.set(&f.into.Config, text); err != nil {
				err = f.errorf(n, "%s: %w", k.Path, err)
			}
		}
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	at := n.GetToken().Position
	f.into.read(k, text, fmt.Sprintf("%s:%d:%d", f.path, at.Line, at.Column))
	return nil
}

func (f *file) scalar(k Key, n ast.Node) (string, error) {
	if _, ok := n.(ast.ScalarNode); !ok || n.Type() == ast.AliasType {
		if k.Type == "list" || k.Type == "map" {
			return "", f.errorf(n, "each entry of %s is a single value, and this is not", k.Path)
		}
		return "", f.errorf(n, "%s is a %s, and this is not", k.Path, k.Type)
	}
	text := n.GetToken().Value
	if lit, ok := n.(*ast.LiteralNode); ok {
		text = lit.Value.Value
	}
	text, err := f.vars.expand(text, f.getenv)
	if err != nil {
		return "", f.errorf(n, "%s: %w", k.Path, err)
	}
	return text, nil
}

func (f *file) errorf(n ast.Node, format string, args ...any) error {
	at := n.GetToken().Position
	return f.errorAt(at.Line, at.Column, fmt.Errorf(format, args...))
}

func (f *file) errorAt(line, column int, err error) error {
	return &Error{Where: fmt.Sprintf("%s:%d:%d", f.path, line, column), Err: err}
}

func orRoot(group string) string {
	if group == "" {
		return "the configuration"
	}
	return group
}

// suggest names the known key that an unknown one most likely stands for: one
// that differs by little, or one of the same last name.
func (f *file) suggest(path string) string {
	best := Closest(path, maps.Keys(f.keys))
	if best == "" {
		best = Closest(path, maps.Keys(f.groups))
	}
	last := path[strings.LastIndexByte(path, '.')+1:]
	for _, known := range slices.Sorted(maps.Keys(f.keys)) {
		if best == "" && strings.HasSuffix(known, "."+last) {
			best = known
		}
	}
	if best == "" {
		return "; appliance config print --defaults shows the known ones"
	}
	return fmt.Sprintf("; did you mean %s?", best)
}
