package main

import (
	"slices"
	"strings"
	"testing"
)

// shellLine is a line of shell as far as the documents use it: commands with
// their words, without redirections and comments.
type shellLine struct {
	commands [][]string
	open     string // the quote that is open at the end
}

// shellWords splits a line at blanks outside of quotes, and into commands at
// | ; & ( ) and a new line. The insides of $( ) are commands of their own.
func shellWords(line string) shellLine {
	var s shellLine
	var command []string
	var word strings.Builder
	started := false
	endWord := func() {
		if started {
			command = append(command, word.String())
		}
		word.Reset()
		started = false
	}
	endCommand := func() {
		endWord()
		if len(command) > 0 {
			s.commands = append(s.commands, withoutRedirections(command))
		}
		command = nil
	}
	runes := []rune(line)
	for i := 0; i < len(runes); i++ {
		r := runes[i]
		switch {
		case s.open != "":
			if string(r) == s.open {
				s.open = ""
			} else {
				word.WriteRune(r)
			}
		case r == '\'' || r == '"':
			s.open, started = string(r), true
		case r == '$' && i+1 < len(runes) && runes[i+1] == '(':
			end := slices.Index(runes[i:], ')')
			if end < 0 {
				end = len(runes) - i
			}
			inner := string(runes[i+2 : min(i+end, len(runes))])
			s.commands = append(s.commands, shellWords(inner).commands...)
			word.WriteString("1")
			started = true
			i += end
		case r == '#' && !started:
			for i+1 < len(runes) && runes[i+1] != '\n' {
				i++
			}
		case r == ' ' || r == '\t':
			endWord()
		case strings.ContainsRune("|;&()", r):
			endCommand()
		case r == '\n': // after a backslash, or within what is quoted
			endWord()
		default:
			word.WriteRune(r)
			started = true
		}
	}
	endCommand()
	return s
}

func withoutRedirections(words []string) []string {
	var kept []string
	for i := 0; i < len(words); i++ {
		switch {
		case words[i] == ">" || words[i] == ">>" || words[i] == "<":
			i++
		case strings.HasPrefix(words[i], ">") || strings.HasPrefix(words[i], "2>"):
		default:
			kept = append(kept, words[i])
		}
	}
	return kept
}

func TestShellWords(t *testing.T) {
	got := shellWords(`A=1 x "a b" 'c|d' | y $(z -n) > f && w --to="q" # said`)
	want := [][]string{{"z", "-n"}, {"A=1", "x", "a b", "c|d"}, {"y", "1"}, {"w", "--to=q"}}
	if len(got.commands) != len(want) {
		t.Fatalf("%q", got.commands)
	}
	for _, w := range want {
		if !slices.ContainsFunc(got.commands, func(c []string) bool { return slices.Equal(c, w) }) {
			t.Errorf("%q is not among %q", w, got.commands)
		}
	}
	if open := shellWords(`curl -d '{"a":`).open; open != "'" {
		t.Errorf("open quote %q", open)
	}
}
