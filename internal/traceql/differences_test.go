package traceql

import (
	"os"
	"strings"
	"testing"
)

// TestDifferencesAreDocumented holds that docs/traceql.md says why of each
// answer that is not Tempo's.
func TestDifferencesAreDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/traceql.md")
	if err != nil {
		t.Fatal(err)
	}
	words := map[string]bool{}
	for _, list := range []string{"testdata/differences.txt", "../../e2e/conformance/testdata/serve.txt"} {
		for _, why := range differencesOf(t, list) {
			words[why] = true
		}
	}
	for why := range words {
		if !strings.Contains(string(page), "| `"+why+"` |") {
			t.Errorf("docs/traceql.md does not say what %q means", why)
		}
	}
	for line := range strings.Lines(string(page)) {
		if word, ok := strings.CutPrefix(line, "| `"); ok && !strings.Contains(line, "span:") {
			word, _, _ = strings.Cut(word, "`")
			if strings.Contains(line, "| `"+word+"` | ") && len(word) < 10 && !words[word] && !strings.ContainsAny(word, " {}/") {
				t.Errorf("docs/traceql.md explains %q, which no difference has", word)
			}
		}
	}
}
