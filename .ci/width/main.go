// Command width finds comments of Go files that go beyond 100 columns, where a
// tab counts as four. Strings are left alone, and so are directives, generated
// files and words that have no blank to be wrapped at, such as URLs.
//
//	go run ./.ci/width [-known N]
//
// It fails when there are more than N of them, which is for comments that are
// older than this check.
package main

import (
	"flag"
	"fmt"
	"go/scanner"
	"go/token"
	"os"
	"os/exec"
	"strings"
	"unicode/utf8"
)

const most, tab = 100, 4

func main() {
	known := flag.Int("known", 0, "how many may be there")
	flag.Parse()
	wide, err := wideComments()
	switch {
	case err != nil:
		fmt.Fprintln(os.Stderr, "width:", err)
	case len(wide) > *known:
		for _, at := range wide {
			fmt.Fprintln(os.Stderr, at)
		}
		fmt.Fprintf(os.Stderr, "width: %d comments go beyond %d columns, %d may; wrap new ones at 80\n", len(wide), most, *known)
	default:
		fmt.Printf("width: %d comments go beyond %d columns; %d may\n", len(wide), most, *known)
		return
	}
	os.Exit(1)
}

// wideComments are the places of comments that are too wide, in the Go files that
// git knows.
func wideComments() (wide []string, err error) {
	list, err := exec.Command("git", "ls-files", "--cached", "--others", "--exclude-standard", "*.go").Output()
	if err != nil {
		return nil, fmt.Errorf("list the files: %w", err)
	}
	for _, path := range strings.Fields(string(list)) {
		text, err := os.ReadFile(path)
		if os.IsNotExist(err) {
			continue // removed, and not committed yet
		}
		if err != nil {
			return nil, err
		}
		for _, line := range wideLines(text) {
			wide = append(wide, fmt.Sprintf("%s:%d", path, line))
		}
	}
	return wide, nil
}

// wideLines are the numbers of lines that a comment makes too wide.
func wideLines(text []byte) (lines []int) {
	fset := token.NewFileSet()
	file := fset.AddFile("", -1, len(text))
	var s scanner.Scanner
	s.Init(file, text, nil, scanner.ScanComments)
	all := strings.Split(string(text), "\n")
	for {
		pos, kind, comment := s.Scan()
		if kind == token.EOF {
			return lines
		}
		if kind != token.COMMENT {
			continue
		}
		if strings.HasPrefix(comment, "// Code generated ") {
			return nil
		}
		at := file.Position(pos)
		before := columns(all[at.Line-1][:at.Column-1])
		for i := range strings.Split(comment, "\n") {
			n := at.Line + i
			if i > 0 {
				before = 0
			}
			if columns(all[n-1]) > most && before < most && canWrap(all[n-1], comment) {
				lines = append(lines, n)
			}
		}
	}
}

// canWrap says whether a line has a blank within its comment to be wrapped at.
func canWrap(line, comment string) bool {
	if strings.HasPrefix(comment, "//") && !strings.HasPrefix(comment, "// ") {
		return false // a directive, or text that stands as it is
	}
	i := max(strings.Index(line, "// ")+len("// "), 0)
	return strings.Contains(strings.TrimSpace(line[i:]), " ")
}

// columns is the width of a text.
func columns(s string) int {
	return utf8.RuneCountInString(s) + (tab-1)*strings.Count(s, "\t")
}
