package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// TestDocumentedCommands holds that each command line of the documents names
// commands, flags, targets of make and files that there are.
func TestDocumentedCommands(t *testing.T) {
	makefile, err := os.ReadFile("../../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	checked := map[string]int{}
	for name, text := range markdownFiles(t) {
		if name == "CHANGELOG.md" { // names what is gone as well
			continue
		}
		prose, fences := splitMarkdown(text)
		for _, f := range fences {
			for _, c := range f.commands() {
				if why := checkCommand(c.text, makefile, checked); why != "" {
					t.Errorf("%s:%d: %s\n\t%s", name, f.line+c.line, c.text, why)
				}
			}
		}
		// In prose and tables a command is a span of code that begins like one.
		for _, m := range inlineCode.FindAllStringSubmatch(strings.Join(prose, "\n"), -1) {
			code := strings.Join(strings.Fields(m[1]), " ")
			if why := checkPath(code, checked); why != "" && !placeholder.MatchString(code) {
				t.Errorf("%s: `%s`\n\t%s", name, code, why)
			}
			if !strings.HasPrefix(code, "appliance ") && !strings.HasPrefix(code, "make ") {
				continue
			}
			if why := checkCommand(code, makefile, checked); why != "" {
				t.Errorf("%s: `%s`\n\t%s", name, code, why)
			}
		}
	}
	for what, least := range map[string]int{"appliance": 150, "make": 20, "file": 40} {
		if checked[what] < least {
			t.Errorf("%d of %s were checked; there are more", checked[what], what)
		}
	}
}

var (
	inlineCode  = regexp.MustCompile("`([^`]+)`")
	placeholder = regexp.MustCompile(`\b[A-Z]+\b|_NAME\b| `) // of a path: another name stands there
)

type documentedCommand struct {
	text   string
	line   int // within its block, from 0
	output []string
}

// commands are the lines to type: all of a block of sh, and those after "$ " of
// a block that shows a terminal. A line goes on while a quote is open, or after
// a backslash.
func (f fence) commands() []documentedCommand {
	shell := f.language == "sh"
	if !shell && f.language != "" && f.language != "console" {
		return nil
	}
	var all []documentedCommand
	for i := 0; i < len(f.lines); i++ {
		line, prompt := strings.CutPrefix(f.lines[i], "$ ")
		if !shell && !prompt {
			if len(all) > 0 {
				last := &all[len(all)-1]
				last.output = append(last.output, f.lines[i])
			}
			continue
		}
		c := documentedCommand{text: line, line: i}
		for i+1 < len(f.lines) && goesOn(c.text) {
			i++
			c.text = strings.TrimSuffix(c.text, "\\") + "\n" + f.lines[i]
		}
		if strings.TrimSpace(c.text) != "" {
			all = append(all, c)
		}
	}
	return all
}

func goesOn(command string) bool {
	return strings.HasSuffix(command, "\\") || len(shellWords(command).open) > 0
}

// checkCommand says what is wrong with one line of shell, or nothing.
func checkCommand(line string, makefile []byte, checked map[string]int) string {
	for _, words := range shellWords(line).commands {
		for len(words) > 0 && (words[0] == "sudo" || words[0] == "nice" || strings.Contains(strings.SplitN(words[0], "/", 2)[0], "=")) {
			words = words[1:]
		}
		if len(words) == 0 {
			continue
		}
		switch words[0] {
		case "appliance", "./appliance", "/appliance":
			checked["appliance"]++
			if why := checkAppliance(words[1:]); why != "" {
				return why
			}
		case "docker":
			for i, w := range words {
				if w == "/appliance" {
					checked["appliance"]++
					if why := checkAppliance(words[i+1:]); why != "" {
						return why
					}
				}
			}
		case "make":
			for _, target := range words[1:] {
				if strings.Contains(target, "=") || strings.HasPrefix(target, "-") {
					continue
				}
				checked["make"]++
				if !regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(target) + `:`).Match(makefile) {
					return "the Makefile has no target " + target
				}
			}
		}
		for _, w := range words {
			if why := checkPath(w, checked); why != "" {
				return why
			}
		}
	}
	return ""
}

// checkPath looks for a file where a word can only be one of the repository.
func checkPath(word string, checked map[string]int) string {
	path := strings.TrimPrefix(word, "./")
	for _, dir := range []string{".ci/", "archive/", "bench/", "cmd/", "deploy/", "docs/", "e2e/", "forwarder/", "internal/", "nomad/", "receiver/", "sampler/"} {
		if !strings.HasPrefix(path, dir) || strings.ContainsAny(path, "*$:") {
			continue
		}
		checked["file"]++
		if _, err := os.Stat(filepath.Join("../..", strings.TrimSuffix(path, "/..."))); err != nil {
			return "there is no file " + path
		}
	}
	return ""
}

// checkAppliance parses the flags of a command line and runs nothing.
func checkAppliance(args []string) string {
	root := newRootCommand()
	if len(args) == 0 {
		return ""
	}
	if args[0] == "--version" || args[0] == "--help" || strings.ToUpper(args[0]) == args[0] {
		return ""
	}
	command, rest, err := root.Find(args)
	if err != nil {
		return err.Error()
	}
	if command == root {
		return "there is no command " + args[0]
	}
	if command.HasSubCommands() && !command.Runnable() && len(rest) > 0 && !strings.HasPrefix(rest[0], "-") && strings.Trim(rest[0], ".") != "" {
		return command.CommandPath() + " has no command " + rest[0]
	}
	command.InitDefaultHelpFlag()
	return checkFlags(command, rest)
}

func checkFlags(command *cobra.Command, args []string) string {
	var known []string
	for _, a := range args {
		switch {
		case strings.Trim(a, ".") == "": // "..." stands for what is left out
		case a == "-" || strings.HasPrefix(a, "["):
		default:
			known = append(known, a)
		}
	}
	// A flag at the end whose value is not shown names the flag alone.
	if n := len(known); n > 0 && strings.HasPrefix(known[n-1], "-") && !strings.Contains(known[n-1], "=") {
		name := strings.TrimLeft(known[n-1], "-")
		flag := command.Flag(name)
		if flag == nil && len(name) == 1 {
			flag = command.Flags().ShorthandLookup(name)
		}
		if flag == nil {
			return command.CommandPath() + " has no flag " + known[n-1]
		}
		known = known[:n-1]
	}
	if err := command.ParseFlags(known); err != nil {
		// A placeholder such as N or TIME need not parse; a flag that is unknown must not be there.
		if strings.Contains(err.Error(), "unknown") {
			return command.CommandPath() + ": " + err.Error()
		}
	}
	return ""
}
