package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// sabotage is one deliberate fault.
type sabotage struct {
	name, what string
	test       []string // go test arguments, or nil
	e2e        []string // likewise, in e2e
	changed    map[string]string
}

// parse reads a sabotage and applies it to the files as they are now.
func parse(root, file string) (*sabotage, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	s := &sabotage{name: strings.TrimSuffix(filepath.Base(file), ".txt"), changed: map[string]string{}}
	var path, from, to string
	apply := func() error {
		if from == "" && to == "" {
			return nil
		}
		content := s.changed[path]
		if n := strings.Count(content, from); from == "" || n != 1 {
			return fmt.Errorf("%s: these lines stand %d times in %s:\n%s", file, n, path, from)
		}
		s.changed[path] = strings.Replace(content, from, to, 1)
		from, to = "", ""
		return nil
	}
	for line := range strings.Lines(string(text)) {
		key, value, _ := strings.Cut(strings.TrimRight(line, "\n"), " ")
		switch {
		case key == "-" && path != "":
			if to != "" {
				err = apply()
			}
			from += value + "\n"
		case key == "+" && path != "":
			to += value + "\n"
		case key == "test:":
			s.test = strings.Fields(value)
		case key == "e2e:":
			s.e2e = strings.Fields(value)
		case key == "file:":
			if err = apply(); err == nil {
				err = s.open(root, value)
				path = filepath.Join(root, value)
			}
		case s.what == "":
			s.what = strings.TrimSpace(line)
		case strings.TrimSpace(line) != "":
			err = fmt.Errorf("%s: a line that is none of those known: %q", file, line)
		}
		if err != nil {
			return nil, err
		}
	}
	if err := apply(); err != nil {
		return nil, err
	}
	if s.what == "" || len(s.changed) == 0 || (s.test == nil) == (s.e2e == nil) {
		return nil, fmt.Errorf("%s: it needs a line of text, a line test: or e2e:, and a line file: with a path", file)
	}
	return s, nil
}

func (s *sabotage) open(root, path string) error {
	path = filepath.Join(root, path)
	if _, ok := s.changed[path]; ok {
		return nil
	}
	text, err := os.ReadFile(path)
	s.changed[path] = string(text)
	return err
}

// outcome is what the tests said.
type outcome struct {
	caught bool
	by     string // the test that noticed, or what was run
	took   time.Duration
	err    error // nothing was learnt
}

// try runs the tests with the sabotaged files.
func (s *sabotage) try(ctx context.Context, root string) (o outcome) {
	began := time.Now()
	o.caught, o.by, o.err = s.runTests(ctx, root)
	o.took = time.Since(began)
	return o
}

func (s *sabotage) runTests(ctx context.Context, root string) (caught bool, by string, err error) {
	dir := filepath.Join(root, scratch, s.name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return false, "", err
	}
	defer os.RemoveAll(dir)
	overlay := filepath.Join(dir, "overlay.json")
	replace := map[string]string{}
	for path, content := range s.changed {
		to := filepath.Join(dir, strings.ReplaceAll(strings.TrimPrefix(path, root+"/"), "/", "_"))
		if err := os.WriteFile(to, []byte(content), 0o600); err != nil {
			return false, "", err
		}
		replace[path] = to
	}
	list, err := json.Marshal(map[string]any{"Replace": replace})
	if err == nil {
		err = os.WriteFile(overlay, list, 0o600)
	}
	if err != nil {
		return false, "", err
	}
	if s.e2e != nil {
		bin := filepath.Join(dir, "appliance")
		build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-overlay", overlay, "-o", bin, "./cmd/appliance")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			return false, "", fmt.Errorf("build: %w:\n%s", err, out)
		}
		cmd := exec.CommandContext(ctx, "go", append([]string{"test", "-count=1", "-failfast"}, s.e2e...)...)
		cmd.Dir = filepath.Join(root, "e2e")
		cmd.Env = append(os.Environ(), "APPLIANCE_BIN="+bin)
		return verdict(cmd, s.e2e)
	}
	args := append([]string{"test", "-count=1", "-failfast", "-timeout=3m", "-overlay", overlay}, s.test...)
	return verdict(exec.CommandContext(ctx, "go", args...), s.test)
}

var failedTest = regexp.MustCompile(`(?m)^\s*--- FAIL: (\S+)`)

// verdict runs a test. That it does not compile or cannot be started is an
// error: nothing has noticed anything.
func verdict(cmd *exec.Cmd, args []string) (caught bool, by string, err error) {
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return false, strings.Join(args, " "), nil
	case !errors.As(err, &exit):
		return false, "", err
	case strings.Contains(string(out), "[build failed]"), strings.Contains(string(out), "[setup failed]"), strings.Contains(string(out), "no tests to run"):
		return false, "", fmt.Errorf("the tests do not run:\n%s", out)
	}
	if m := failedTest.FindStringSubmatch(string(out)); m != nil {
		return true, m[1], nil
	}
	return true, "it panicked or hung", nil
}
