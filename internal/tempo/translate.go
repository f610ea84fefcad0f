package tempo

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Translation is what of a Tempo's configuration means something here.
type Translation struct {
	file     string
	settings []*setting
	byPath   map[string]*setting
	keys     []assignment
	advice   []note // for a person to decide
	useless  []note // what means nothing here
	unknown  []note
	errs     []error
}

// assignment is a key of ours with its value in YAML.
type assignment struct {
	key, value string
	from       []*setting
}

// note is a remark on a setting.
type note struct {
	of   *setting
	text string
}

// Translate reads a Tempo's configuration, of any version. file is its name, for
// errors. They are of *config.Error, joined where there are several: what is not
// YAML, what is not a configuration of Tempo, and each value that should be taken
// over and cannot.
func Translate(file string, text []byte) (*Translation, error) {
	settings, err := readSettings(file, text)
	if err != nil {
		return nil, err
	}
	known := newKnowledge()
	if err := known.checkIsTempos(file, settings); err != nil {
		return nil, err
	}
	t := &Translation{file: file, settings: settings, byPath: map[string]*setting{}}
	for _, s := range settings {
		t.byPath[s.path] = s
	}
	for _, translate := range []func(*Translation){
		translateRetention, translateReceivers, translateHTTP, translateReadTLS, translateLog,
		translateTenants, translateStorage, translateRemoteWrite,
	} {
		translate(t)
	}
	for _, s := range settings {
		if !s.used {
			t.dismiss(s, known)
		}
	}
	if err := errors.Join(t.errs...); err != nil {
		return nil, err
	}
	return t, nil
}

// Unknown are the keys that no Tempo has, as far as is known here: typos, mostly.
func (t *Translation) Unknown() []string {
	var out []string
	for _, n := range t.unknown {
		out = append(out, n.in(t.file))
	}
	return out
}

func (n note) in(file string) string {
	return fmt.Sprintf("%s:%d: %s: %s", file, n.of.line, n.of.path, n.text)
}

// YAML is the configuration of the appliance. Everything of Tempo's that it does
// not have stands in comments.
func (t *Translation) YAML() []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "# What of %s means something to the appliance, and below, what does not.\n",
		oneLine(t.file))
	if len(t.keys) == 0 {
		b.WriteString("# Nothing does, or is other than here by default.\n")
	}
	writeKeys(&b, t.keys)
	t.remarks(&b, "For you to decide", t.advice)
	t.remarks(&b, "Unknown: a typo, or of a Tempo of another age", t.unknown)
	t.reasons(&b, "Means nothing here", t.useless)
	return []byte(b.String())
}

// writeKeys writes the keys, each below its groups and behind where it is from.
func writeKeys(b *strings.Builder, keys []assignment) {
	slices.SortStableFunc(keys, func(a, b assignment) int {
		return keyOrder(a.key) - keyOrder(b.key)
	})
	var open []string // groups that were begun
	for _, k := range keys {
		path := strings.Split(k.key, ".")
		groups, name := path[:len(path)-1], path[len(path)-1]
		for i, g := range groups {
			if i < len(open) && open[i] == g {
				continue
			}
			fmt.Fprintf(b, "%s%s:\n", strings.Repeat("  ", i), g)
			open = append(slices.Clone(open[:i]), g)
		}
		open = open[:len(groups)]
		indent := strings.Repeat("  ", len(groups))
		for _, s := range k.from {
			fmt.Fprintf(b, "%s# line %d: %s\n", indent, s.line, s.path)
		}
		fmt.Fprintf(b, "%s%s: %s\n", indent, name, k.value)
	}
}

// remarks writes notes in the order of lines.
func (t *Translation) remarks(b *strings.Builder, title string, notes []note) {
	if len(notes) == 0 {
		return
	}
	fmt.Fprintf(b, "\n# %s:\n", title)
	slices.SortStableFunc(notes, byLine)
	for _, n := range notes {
		fmt.Fprintf(b, "#   line %d: %s: %s\n", n.of.line, oneLine(n.of.path), oneLine(n.text))
	}
}

// reasons writes notes below their texts, of which many keys share one.
func (t *Translation) reasons(b *strings.Builder, title string, notes []note) {
	if len(notes) == 0 {
		return
	}
	fmt.Fprintf(b, "\n# %s:\n", title)
	slices.SortStableFunc(notes, byLine)
	byText := map[string][]note{}
	for _, n := range notes {
		byText[n.text] = append(byText[n.text], n)
	}
	for _, n := range notes {
		same := byText[n.text]
		if same[0] != n {
			continue
		}
		fmt.Fprintf(b, "#   %s:\n", oneLine(n.text))
		for _, n := range same {
			fmt.Fprintf(b, "#     line %d: %s\n", n.of.line, oneLine(n.of.path))
		}
	}
}

func byLine(a, b note) int { return a.of.line - b.of.line }

// oneLine keeps a text from ending a comment.
func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == 0x85 || r == 0x2028 || r == 0x2029 {
			return '?'
		}
		return r
	}, text)
}

// set takes settings over as a key of ours.
func (t *Translation) set(key, value string, from ...*setting) {
	for _, s := range from {
		s.used = true
	}
	t.keys = append(t.keys, assignment{key, value, from})
}

// advise says what a person may do about a setting.
func (t *Translation) advise(s *setting, format string, args ...any) {
	s.used = true
	t.advice = append(t.advice, note{s, fmt.Sprintf(format, args...)})
}

// ignore says why a setting means nothing.
func (t *Translation) ignore(s *setting, why string) {
	s.used = true
	t.useless = append(t.useless, note{s, why})
}

// fail says that a setting should be taken over and cannot.
func (t *Translation) fail(s *setting, format string, args ...any) {
	s.used = true
	err := fmt.Errorf(format, args...)
	t.errs = append(t.errs, errorAt(t.file, s.line, fmt.Errorf("%s: %w", s.path, err)))
}
