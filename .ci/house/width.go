package main

import (
	"go/scanner"
	"go/token"
	"strings"
	"unicode/utf8"
)

const most, tab = 100, 4

// wideLines are the numbers of lines that a comment makes too wide, where a tab
// counts as four. Strings are left alone, and so are directives, generated files
// and words that have no blank to be wrapped at, such as URLs.
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
