package tempo

import (
	_ "embed"
	"fmt"
	"strings"
)

//go:embed reasons.txt
var reasonsText string

//go:embed keys.txt
var keysText string

// knowledge is what is known of the keys that are not translated.
type knowledge struct {
	groups  map[string]bool            // at the top of the file of any Tempo
	keys    map[string]map[string]bool // of groups that are known completely
	reasons map[string]string          // by the beginning of a path
}

func newKnowledge() *knowledge {
	k := &knowledge{
		groups:  map[string]bool{"multitenancy_enabled": true},
		keys:    map[string]map[string]bool{},
		reasons: map[string]string{},
	}
	for path, reason := range entries(reasonsText) {
		k.reasons[path] = reason
		group, _, _ := strings.Cut(path, ".")
		k.groups[group] = true
	}
	for group, words := range entries(keysText) {
		k.keys[group] = map[string]bool{}
		for word := range strings.FieldsSeq(words) {
			k.keys[group][word] = true
		}
	}
	return k
}

// entries are the lines of a text, each a path and what is said of it.
func entries(text string) func(func(path, said string) bool) {
	return func(yield func(string, string) bool) {
		for line := range strings.Lines(text) {
			path, said, ok := strings.Cut(strings.TrimSpace(line), ": ")
			if ok && !strings.HasPrefix(line, "#") && !yield(path, said) {
				return
			}
		}
	}
}

// unknown says what is wrong with a path that no Tempo has, as far as is known.
func (k *knowledge) unknown(path string) (why string, ok bool) {
	group, _, _ := strings.Cut(path, ".")
	if !k.groups[group] {
		return "no Tempo has " + group + didYouMean(group, k.groups), true
	}
	for above, key := range steps(path) {
		if known := k.keys[above]; known != nil && !known[key] {
			return fmt.Sprintf("no Tempo has %s.%s%s", above, key, didYouMean(key, known)), true
		}
	}
	return "", false
}

// steps are the groups above a path, each with the key that follows it there.
func steps(path string) func(func(group, key string) bool) {
	return func(yield func(string, string) bool) {
		for i, c := range path {
			if c != '.' {
				continue
			}
			key, _, _ := strings.Cut(path[i+1:], ".")
			if !yield(path[:i], key) {
				return
			}
		}
	}
}

// reason is why a path means nothing here.
func (k *knowledge) reason(path string) string {
	best := ""
	for beginning := range k.reasons {
		if strings.HasPrefix(path, beginning) && len(beginning) > len(best) {
			best = beginning
		}
	}
	return k.reasons[best]
}

// dismiss says why a setting was not translated.
func (t *Translation) dismiss(s *setting, k *knowledge) {
	if why, ok := k.unknown(s.path); ok {
		t.unknown = append(t.unknown, note{s, why})
		return
	}
	if s.empty && !strings.Contains(s.path, ".") {
		t.ignore(s, "there is nothing below it "+
			"(by which a Tempo before 3.0 loses the defaults of the group)")
		return
	}
	t.ignore(s, k.reason(s.path))
}
