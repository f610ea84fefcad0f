package block

import (
	"fmt"
	"hash/maphash"
	"strings"
	"testing"
)

// TestNested has a line for each span: its id, its parent's, and its kind if
// that is s(erver) or c(lient); and what it is numbered.
func TestNested(t *testing.T) {
	for name, tt := range map[string]struct{ spans, want string }{
		"a tree":                       {"a- ba ca db", "1 8 -1, 2 5 1, 6 7 1, 3 4 2"},
		"children before their parent": {"cb ba a-", "3 4 2, 2 5 1, 1 6 -1"},
		"two roots":                    {"a- b- ca db", "1 4 -1, 5 8 -1, 2 3 1, 6 7 5"},
		"an orphan and its child":      {"a- bx cb", "1 2 -1, 0 0 0, 0 0 0"},
		"no root":                      {"bx cb", "0 0 0, 0 0 0"},
		"a circle":                     {"a- bc cb", "1 2 -1, 0 0 0, 0 0 0"},
		"its own parent":               {"a- bb", "1 2 -1, 0 0 0"},
		"three of one id":              {"a- ba ba ba", "0 0 0, 0 0 0, 0 0 0, 0 0 0"},
		"Zipkin's pair":                {"a-s bac bas cb dbs", "1 10 -1, 2 5 1, 6 9 1, 7 8 6, 3 4 2"},
		"a pair without a server":      {"a- bac bac cb", "1 6 -1, 2 3 1, 4 5 1, 0 0 0"},
		"a pair of servers":            {"a- bas bas cb", "1 8 -1, 2 5 1, 6 7 1, 3 4 2"},
	} {
		var spans []spanHead
		var order []int32
		for i, text := range strings.Fields(tt.spans) {
			s := spanHead{id: []byte(text[:1]), parent: []byte(strings.Trim(text[1:2], "-"))}
			switch text[2:] {
			case "s":
				s.kind = kindServer
			case "c":
				s.kind = kindClient
			}
			spans = append(spans, s)
			order = append(order, int32(i))
		}
		n := nesting{seed: maphash.MakeSeed()}
		n.number(spans, order)
		var got []string
		for _, s := range spans {
			got = append(got, fmt.Sprint(s.nested.left, s.nested.right, s.nested.parent))
		}
		if text := strings.Join(got, ", "); text != tt.want {
			t.Errorf("%s: %s\n%s, want\n%s", name, tt.spans, text, tt.want)
		}
	}
}

// A chain of a million spans is numbered without a stack of a million calls.
func TestNestedChain(t *testing.T) {
	const length = 1_000_000
	id := func(i int) []byte { return fmt.Appendf(nil, "%08x", i) }
	spans, order := make([]spanHead, length), make([]int32, length)
	for i := range spans {
		spans[i].id, order[i] = id(i), int32(i)
		if i > 0 {
			spans[i].parent = id(i - 1)
		}
	}
	n := nesting{seed: maphash.MakeSeed()}
	n.number(spans, order)
	if last := spans[length-1].nested; last != (nested{length, length + 1, length - 1}) || spans[0].nested.right != 2*length {
		t.Errorf("the last is %+v, the first %+v", last, spans[0].nested)
	}
}
