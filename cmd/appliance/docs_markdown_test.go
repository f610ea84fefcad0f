package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

const markdownColumns = 100

// markdownFiles reads every Markdown file of the repository, by its path from the
// root with slashes.
func markdownFiles(t *testing.T) map[string]string {
	t.Helper()
	const root = "../.."
	files := map[string]string{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			switch d.Name() {
			case ".git", ".cache", "dist", "node_modules":
				return fs.SkipDir
			}
			return nil
		}
		if filepath.Ext(path) != ".md" {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		files[filepath.ToSlash(name)] = string(text)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 20 {
		t.Fatalf("only %d Markdown files were found", len(files))
	}
	return files
}

// fence is a block of code: its language, and its lines without common indent.
type fence struct {
	language string
	line     int // of the first line within, from 1
	lines    []string
}

// splitMarkdown tells prose from code. Prose keeps its place: a line of code is
// empty there.
func splitMarkdown(text string) (prose []string, fences []fence) {
	var open *fence
	indent := ""
	for i, line := range strings.Split(text, "\n") {
		trimmed := strings.TrimLeft(line, " ")
		switch {
		case open == nil && strings.HasPrefix(trimmed, "```"):
			open = &fence{language: strings.TrimPrefix(trimmed, "```"), line: i + 2}
			indent = line[:len(line)-len(trimmed)]
			line = ""
		case open != nil && strings.TrimSpace(line) == "```":
			fences = append(fences, *open)
			open, line = nil, ""
		case open != nil:
			open.lines = append(open.lines, strings.TrimPrefix(line, indent))
			line = ""
		}
		prose = append(prose, line)
	}
	return prose, fences
}

// TestMarkdownWidth holds that prose is wrapped at 100 columns. Tables, code and
// a line of one word, such as a long link, may be wider.
func TestMarkdownWidth(t *testing.T) {
	for name, text := range markdownFiles(t) {
		prose, _ := splitMarkdown(text)
		for i, line := range prose {
			trimmed := strings.TrimSpace(line)
			if strings.HasPrefix(trimmed, "|") || !strings.Contains(trimmed, " ") {
				continue
			}
			if n := utf8.RuneCountInString(line); n > markdownColumns {
				t.Errorf("%s:%d: %d columns; wrap prose at %d", name, i+1, n, markdownColumns)
			}
		}
	}
}

var markdownLink = regexp.MustCompile(`\]\(([^)\s]+)\)`)

// TestMarkdownLinks holds that each relative link leads to a file of the
// repository, and its fragment to a heading there.
func TestMarkdownLinks(t *testing.T) {
	files := markdownFiles(t)
	links := 0
	for name, text := range files {
		prose, _ := splitMarkdown(text)
		for i, line := range prose {
			for _, m := range markdownLink.FindAllStringSubmatch(line, -1) {
				if strings.Contains(m[1], "://") || strings.HasPrefix(m[1], "mailto:") {
					continue
				}
				links++
				path, fragment, _ := strings.Cut(m[1], "#")
				target := name
				if path != "" {
					target = filepath.ToSlash(filepath.Join(filepath.Dir(name), path))
				}
				if _, err := os.Stat(filepath.Join("../..", target)); err != nil {
					t.Errorf("%s:%d: link to %s: there is no %s", name, i+1, m[1], target)
				} else if fragment != "" && !headings(files[target])[fragment] {
					t.Errorf("%s:%d: link to %s: no heading of %s has this fragment", name, i+1, m[1], target)
				}
			}
		}
	}
	if links < 50 {
		t.Errorf("only %d links were found", links)
	}
}

// headings are the fragments of a page's headings, as GitHub makes them.
func headings(text string) map[string]bool {
	fragments := map[string]bool{}
	prose, _ := splitMarkdown(text)
	for _, line := range prose {
		title := strings.TrimLeft(line, "#")
		if title == line || !strings.HasPrefix(title, " ") {
			continue
		}
		var b strings.Builder
		for _, r := range strings.ToLower(strings.TrimSpace(title)) {
			switch {
			case r == ' ':
				b.WriteByte('-')
			case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
				b.WriteRune(r)
			}
		}
		fragments[b.String()] = true
	}
	return fragments
}

// TestMarkdownIndex holds that docs/README.md leads to every page of docs/.
func TestMarkdownIndex(t *testing.T) {
	files := markdownFiles(t)
	index := files["docs/README.md"]
	for name := range files {
		page, ok := strings.CutPrefix(name, "docs/")
		if !ok || page == "README.md" {
			continue
		}
		if !strings.Contains(index, "]("+page+")") && !strings.Contains(index, "]("+page+"#") {
			t.Errorf("docs/README.md has no link to %s", page)
		}
	}
}

var glossaryRow = regexp.MustCompile(`(?m)^\| ([^|]+) \| [^|]+ \|$`)

// TestGlossary holds that docs/glossary.md has each word once and in order, and
// of the design only those that DESIGN.md uses.
func TestGlossary(t *testing.T) {
	files := markdownFiles(t)
	users, engineers, ok := strings.Cut(files["docs/glossary.md"], "\n## Words of the design\n")
	if !ok {
		t.Fatal("docs/glossary.md has no words of the design")
	}
	words := func(table string) (words []string) {
		for _, m := range glossaryRow.FindAllStringSubmatch(table, -1) {
			if m[1] != "word" && m[1] != "---" {
				words = append(words, m[1])
			}
		}
		if sorted := slices.SortedFunc(slices.Values(words), func(a, b string) int {
			return strings.Compare(strings.ToLower(a), strings.ToLower(b))
		}); !slices.Equal(words, sorted) {
			t.Errorf("the words stand as %q, and in order are %q", words, sorted)
		}
		return words
	}
	design := words(engineers)
	seen := map[string]bool{}
	for _, word := range slices.Concat(words(users), design) {
		if seen[word] {
			t.Errorf("%q is there twice", word)
		}
		seen[word] = true
	}
	for _, word := range design {
		if !regexp.MustCompile(`(?i)\b` + strings.ReplaceAll(word, " ", `\s+`) + `(s|ies)?\b`).MatchString(files["docs/DESIGN.md"]) {
			t.Errorf("docs/DESIGN.md does not use %q", word)
		}
	}
	// the design uses these all over
	for _, word := range []string{"commit", "cut", "headroom", "lineage", "part", "unit"} {
		if !seen[word] {
			t.Errorf("%q has no meaning in docs/glossary.md", word)
		}
	}
}
