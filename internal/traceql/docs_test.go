package traceql

import (
	"os"
	"strings"
	"testing"
)

// Each query that docs/traceql.md shows is one, and means the same when it is
// printed.
func TestQueriesOfTheDocumentation(t *testing.T) {
	text, err := os.ReadFile("../../docs/traceql.md")
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	for _, block := range strings.Split(string(text), "```traceql\n")[1:] {
		block, _, _ = strings.Cut(block, "```")
		for _, query := range strings.Split(strings.TrimSpace(block), "\n") {
			if strings.HasPrefix(query, "//") {
				continue
			}
			count++
			q, err := Parse(query)
			if err != nil {
				t.Errorf("%s: %v", query, err)
				continue
			}
			if again, err := Parse(q.String()); err != nil || again.String() != q.String() {
				t.Errorf("%s: printed as %s: %v", query, q, err)
			}
		}
	}
	if count < 40 {
		t.Errorf("%d queries were read", count)
	}
}
