package main

import (
	"os"
	"strings"
	"testing"
)

// TestHouse holds that docs/DESIGN.md draws every directory of the house, and
// none that is not there.
func TestHouse(t *testing.T) {
	text, err := os.ReadFile("../../docs/DESIGN.md")
	if err != nil {
		t.Fatal(err)
	}
	_, fences := splitMarkdown(string(text))
	if len(fences) == 0 {
		t.Fatal("docs/DESIGN.md draws no house")
	}
	drawn := map[string]bool{}
	for _, line := range fences[0].lines {
		if name, _, _ := strings.Cut(line, " "); name != "" {
			drawn[strings.TrimSuffix(name, "/")] = true
		}
	}
	for name := range drawn {
		if _, err := os.Stat("../../" + name); err != nil {
			t.Errorf("docs/DESIGN.md draws %s: %v", name, err)
		}
	}
	for _, within := range []string{"", "internal/"} {
		entries, err := os.ReadDir("../../" + within)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			name := within + e.Name()
			switch {
			case !e.IsDir(), name == "cmd", name == "internal", name == "dist", strings.HasPrefix(e.Name(), "."):
			case !drawn[name]:
				t.Errorf("docs/DESIGN.md does not draw %s/", name)
			}
		}
	}
}
