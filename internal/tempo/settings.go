package tempo

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"

	"appliance/internal/config"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// setting is a value of a YAML file, or a group without any.
type setting struct {
	path  string // of keys with points between
	line  int
	text  string   // of a scalar
	items []string // of a list of scalars
	empty bool     // there is nothing behind the key
	merge bool     // it comes of <<, over which a key that is written there wins
	used  bool     // it was translated, or it was said why not
}

const (
	// MaxConfig is how many bytes of a Tempo's configuration are read. The longest
	// that charts render have a tenth of it.
	MaxConfig = 256 << 10
	// maxAliases bounds what aliases make of a file.
	maxAliases = 10_000
)

// readSettings returns the settings of a file in their order.
func readSettings(file string, text []byte) ([]*setting, error) {
	if err := checkSize(file, text); err != nil {
		return nil, err
	}
	text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
	tree, err := parser.ParseBytes(bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n")), 0)
	if err != nil {
		return nil, syntaxError(file, text, err)
	}
	r := settingsReader{file: file, anchors: map[string]ast.Node{}}
	bodies := 0
	for _, doc := range tree.Docs {
		if doc.Body == nil || doc.Body.Type() == ast.CommentType ||
			doc.Body.Type() == ast.NullType {
			continue
		}
		if bodies++; bodies > 1 {
			return nil, errorAt(file, doc.Body.GetToken().Position.Line,
				errors.New("a second YAML document; Tempo reads one"))
		}
		if err := r.root(doc.Body); err != nil {
			return nil, err
		}
	}
	return withoutOverwritten(r.settings), nil
}

// checkSize refuses what would cost the parser too much.
func checkSize(file string, text []byte) error {
	if len(text) > MaxConfig {
		return &config.Error{Where: file, Err: fmt.Errorf(
			"more than %d bytes are not a configuration of Tempo", MaxConfig)}
	}
	if line := config.TooNested(text); line > 0 {
		return errorAt(file, line, config.ErrNested)
	}
	if bytes.HasPrefix(text, []byte{0xff, 0xfe}) || bytes.HasPrefix(text, []byte{0xfe, 0xff}) {
		return &config.Error{Where: file, Err: errors.New(
			"begins with the byte order mark of UTF-16; save it as UTF-8")}
	}
	return nil
}

// withoutOverwritten leaves out what << brings and is written beside it.
func withoutOverwritten(settings []*setting) []*setting {
	written := map[string]bool{}
	for _, s := range settings {
		written[s.path] = written[s.path] || !s.merge
	}
	return slices.DeleteFunc(settings, func(s *setting) bool { return s.merge && written[s.path] })
}

// syntaxError names the line. Templates are the files that look right and are
// not YAML.
func syntaxError(file string, text []byte, err error) error {
	hint := ""
	if bytes.Contains(text, []byte("{{")) {
		hint = "; it seems to be a template: give what it is rendered to"
	}
	var syntax yaml.Error
	if errors.As(err, &syntax) && syntax.GetToken() != nil {
		at := syntax.GetToken().Position
		return errorAt(file, at.Line, fmt.Errorf("not YAML: %s%s", syntax.GetMessage(), hint))
	}
	return &config.Error{Where: file, Err: fmt.Errorf("not YAML: %w%s", err, hint)}
}

func errorAt(file string, line int, err error) error {
	return &config.Error{Where: fmt.Sprintf("%s:%d", file, line), Err: err}
}

// settingsReader walks the syntax tree.
type settingsReader struct {
	file     string
	anchors  map[string]ast.Node
	aliases  int
	merging  int // how many << are being followed
	settings []*setting
}

func (r *settingsReader) root(n ast.Node) error {
	switch n.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
		return r.read("", n.GetToken().Position.Line, n)
	}
	return errorAt(r.file, n.GetToken().Position.Line, fmt.Errorf(
		"not a configuration of Tempo: it begins with %q, not with a key such as server",
		shorten(n.GetToken().Value)))
}

// read takes what stands behind a key in a line.
func (r *settingsReader) read(path string, line int, n ast.Node) error {
	switch n := n.(type) {
	case *ast.MappingNode:
		if len(n.Values) == 0 {
			r.add(&setting{path: path, line: line, empty: true})
		}
		for _, pair := range n.Values {
			if err := r.pair(path, pair); err != nil {
				return err
			}
		}
		return nil
	case *ast.MappingValueNode:
		return r.pair(path, n)
	case *ast.AnchorNode:
		r.anchors[n.Name.GetToken().Value] = n.Value
		return r.read(path, line, n.Value)
	case *ast.AliasNode:
		return r.alias(path, line, n)
	case *ast.TagNode:
		return r.read(path, line, n.Value)
	case *ast.SequenceNode:
		return r.list(path, line, n)
	case *ast.NullNode:
		r.add(&setting{path: path, line: line, empty: true})
		return nil
	}
	r.add(&setting{path: path, line: line, text: scalarText(n)})
	return nil
}

func (r *settingsReader) add(s *setting) {
	s.merge = r.merging > 0
	r.settings = append(r.settings, s)
}

func (r *settingsReader) pair(path string, pair *ast.MappingValueNode) error {
	line := pair.Key.GetToken().Position.Line
	if pair.Key.IsMergeKey() {
		r.merging++
		defer func() { r.merging-- }()
		return r.read(path, line, pair.Value)
	}
	key := pair.Key.GetToken().Value
	if strings.ContainsFunc(key, isOddSpace) {
		return errorAt(r.file, line, fmt.Errorf("not YAML: a space that is not one (such as a "+
			"non-breaking one of a web page) stands before or in the key %q; write it again",
			shorten(key)))
	}
	if path != "" {
		key = path + "." + key
	}
	if pair.Value == nil {
		r.add(&setting{path: key, line: line, empty: true})
		return nil
	}
	return r.read(key, line, pair.Value)
}

func (r *settingsReader) alias(path string, line int, n *ast.AliasNode) error {
	name := n.Value.GetToken().Value
	target, ok := r.anchors[name]
	if r.aliases++; !ok || r.aliases > maxAliases {
		return errorAt(r.file, line, fmt.Errorf(
			"there is no anchor &%s before *%[1]s, or there are too many of them", name))
	}
	delete(r.anchors, name) // an anchor within itself would not end
	err := r.read(path, line, target)
	r.anchors[name] = target
	return err
}

// list reads a list of scalars. The maps of a list have no names.
func (r *settingsReader) list(path string, line int, n *ast.SequenceNode) error {
	s := &setting{path: path, line: line, empty: len(n.Values) == 0}
	for _, item := range n.Values {
		if _, ok := item.(ast.ScalarNode); ok {
			s.items = append(s.items, scalarText(item))
		}
	}
	r.add(s)
	return nil
}

func isOddSpace(c rune) bool { return c != ' ' && unicode.IsSpace(c) || c == 0xfeff }

func scalarText(n ast.Node) string {
	if literal, ok := n.(*ast.LiteralNode); ok {
		return strings.TrimSpace(literal.Value.Value)
	}
	return n.GetToken().Value
}

func shorten(text string) string { return text[:min(len(text), 40)] }

// checkIsTempos refuses a file in which nothing is Tempo's.
func (k *knowledge) checkIsTempos(file string, settings []*setting) error {
	if len(settings) == 0 {
		return nil
	}
	groups := map[string]bool{}
	for _, s := range settings {
		group, _, _ := strings.Cut(s.path, ".")
		groups[group] = true
	}
	for group := range groups {
		if k.groups[group] {
			return nil
		}
	}
	hint := ""
	if groups["receiver"] || groups["spool"] || groups["sampler"] || groups["retention"] {
		hint = "; it looks like one of the appliance itself"
	}
	return &config.Error{Where: file, Err: fmt.Errorf("not a configuration of Tempo: "+
		"it has none of Tempo's groups, such as server, distributor or storage%s", hint)}
}

// didYouMean suggests a known name for one that is not.
func didYouMean(name string, known map[string]bool) string {
	if best := config.Closest(name, maps.Keys(known)); best != "" {
		return "; did you mean " + best + "?"
	}
	return ""
}
