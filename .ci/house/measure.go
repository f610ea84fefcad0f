package main

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path"
	"regexp"
	"slices"
	"strings"
)

const longFile, longFunction = 600, 60

// code is what was read of the repository.
type code struct {
	fset    *token.FileSet
	product []*source // what the binary is built from
	tests   []*source
	files   []*source // all that git knows
}

// source is a Go file.
type source struct {
	path string
	text []byte
	tree *ast.File
}

func (s *source) lines() int { return bytes.Count(s.text, []byte("\n")) }

// isProduct leaves out nested modules, tools, and packages that are for tests.
func isProduct(file string) bool {
	dir := path.Dir(file)
	return !strings.HasSuffix(file, "_test.go") && !strings.HasPrefix(dir, ".ci") &&
		!strings.HasPrefix(dir, "e2e") && !strings.HasPrefix(dir, "bench") &&
		!strings.HasSuffix(dir, "test") && path.Base(dir) != "crashfs"
}

func readCode() (*code, error) {
	list, err := exec.Command("git", "ls-files", "--cached", "--others", "--exclude-standard", "*.go").Output()
	if err != nil {
		return nil, fmt.Errorf("list the files: %w", err)
	}
	c := &code{fset: token.NewFileSet()}
	for _, file := range strings.Fields(string(list)) {
		text, err := os.ReadFile(file)
		if os.IsNotExist(err) {
			continue // removed, and not committed yet
		}
		if err != nil {
			return nil, err
		}
		tree, err := parser.ParseFile(c.fset, file, text, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		s := &source{file, text, tree}
		c.files = append(c.files, s)
		switch {
		case isProduct(file):
			c.product = append(c.product, s)
		case strings.HasSuffix(file, "_test.go"):
			c.tests = append(c.tests, s)
		}
	}
	if len(c.product) == 0 || len(c.tests) == 0 {
		return nil, fmt.Errorf("of %d files none is the product's, or none is a test", len(c.files))
	}
	return c, nil
}

func (c *code) at(n ast.Node) string {
	p := c.fset.Position(n.Pos())
	return fmt.Sprintf("%s:%d", p.Filename, p.Line)
}

// measure makes the table.
func measure() ([]row, error) {
	c, err := readCode()
	if err != nil {
		return nil, err
	}
	functions := c.functions()
	lines := c.codeLines()
	exported := c.exported()
	rows := []row{
		{what: "lines of product code, without blank ones and comments", value: float64(lines)},
		{what: "files of product code", value: float64(len(c.product))},
		count(fmt.Sprintf("files over %d lines, tests too", longFile), c.longFiles()).most(0),
		{what: "lines of the longest function", value: float64(functions[0].lines), places: []string{functions[0].name}},
		longFunctions(functions).most(1),
		percentile99("cyclomatic complexity, 99th percentile", functions, func(f function) int { return f.paths }).most(17),
		percentile99("nesting, 99th percentile", functions, func(f function) int { return f.depth }).most(3),
		{what: "exported names per 1,000 lines of all", value: float64(exported) * 1000 / float64(c.allLines()), bounded: true, bound: 17},
		count("notes of what is still to be done", c.notes()).most(0),
		count("init()", c.inits()).most(0),
		count("panics, but for those that are passed on", c.panics()).most(0),
		count("packages and files with a name that says nothing", c.vague()).most(0),
		count("variables of packages that are assigned to", c.globals()).most(0),
		count("sleeps of tests that know no other clock", c.sleeps()).most(0),
		count(fmt.Sprintf("lines with a comment over %d columns", most), c.wide()).most(0),
	}
	subjects, err := longSubjects()
	if err != nil {
		fmt.Fprintln(os.Stderr, "house: subjects of commits are not counted:", err)
		return rows, nil
	}
	return append(rows, subjects), nil
}

func count(what string, places []string) row {
	return row{what: what, value: float64(len(places)), places: places}
}

func percentile99(what string, all []function, of func(function) int) row {
	var values []int
	for _, f := range all {
		values = append(values, of(f))
	}
	slices.Sort(values)
	limit := values[len(values)*99/100]
	r := row{what: what, value: float64(limit)}
	for _, f := range all {
		if v := of(f); v > limit {
			r.places = append(r.places, fmt.Sprintf("%s: %d", f.name, v))
		}
	}
	return r
}

func longFunctions(all []function) row {
	r := row{what: fmt.Sprintf("functions over %d lines", longFunction), unit: " %"}
	for _, f := range all {
		if f.lines > longFunction {
			r.places = append(r.places, fmt.Sprintf("%s: %d lines", f.name, f.lines))
		}
	}
	r.value = float64(len(r.places)) * 100 / float64(len(all))
	return r
}

func (c *code) longFiles() (places []string) {
	for _, s := range c.files {
		if n := s.lines(); n > longFile {
			places = append(places, fmt.Sprintf("%s: %d lines", s.path, n))
		}
	}
	return places
}

// allLines are those of the product, with comments and blank ones.
func (c *code) allLines() (n int) {
	for _, s := range c.product {
		n += s.lines()
	}
	return n
}

// codeLines are the lines on which something else than a comment stands.
func (c *code) codeLines() (n int) {
	for _, s := range c.product {
		comment := map[int]bool{}
		for _, group := range s.tree.Comments {
			for _, text := range group.List {
				from, to := c.fset.Position(text.Pos()), c.fset.Position(text.End())
				for line := from.Line; line <= to.Line; line++ {
					comment[line] = true
				}
			}
		}
		for i, line := range strings.Split(string(s.text), "\n") {
			line = strings.TrimSpace(line)
			if line != "" && (!comment[i+1] || !strings.HasPrefix(line, "//") && !strings.HasPrefix(line, "/*")) {
				n++
			}
		}
	}
	return n
}

var (
	undone = regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME|XX` + `X)\b`)
	vague  = regexp.MustCompile(`^(utils?|common|helpers?|types|misc)$`)
)

func (c *code) notes() (places []string) {
	for _, s := range c.files {
		for i, line := range strings.Split(string(s.text), "\n") {
			if strings.Contains(line, "//") && undone.MatchString(line) {
				places = append(places, fmt.Sprintf("%s:%d", s.path, i+1))
			}
		}
	}
	return places
}

func (c *code) vague() (places []string) {
	for _, s := range c.files {
		if vague.MatchString(strings.TrimSuffix(path.Base(s.path), ".go")) || vague.MatchString(path.Base(path.Dir(s.path))) {
			places = append(places, s.path)
		}
	}
	return places
}

func (c *code) wide() (places []string) {
	for _, s := range c.files {
		for _, line := range wideLines(s.text) {
			places = append(places, fmt.Sprintf("%s:%d", s.path, line))
		}
	}
	return places
}
