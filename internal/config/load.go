package config

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"strings"
)

// Error is a setting that cannot be used. Where says which: file:line:column, a variable or a flag.
type Error struct {
	Where string
	Err   error
}

func (e *Error) Error() string { return e.Where + ": " + e.Err.Error() }
func (e *Error) Unwrap() error { return e.Err }

// Sources are the places that a configuration comes from; the later ones win.
type Sources struct {
	File   string                      // path of the YAML file, empty for none
	Getenv func(string) (string, bool) // os.LookupEnv
	Flags  map[string]string           // by flag name, only those that were given
}

// Loaded is a configuration and which of its keys somebody set, by path, with where they were set.
type Loaded struct {
	Config
	File string            // that was read, empty for none
	Set  map[string]string // path of key -> where
}

// Misspelled lists the variables of an environment (os.Environ) that begin with APPLIANCE_ and stand for no key, each
// with what may have been meant. They are no error: other tools may use such names.
func Misspelled(environ []string) []string {
	known := map[string]Key{}
	for _, k := range Keys() {
		known[k.Env] = k
	}
	var notes []string
	for _, kv := range environ {
		name, _, _ := strings.Cut(kv, "=")
		if _, ok := known[name]; ok || !strings.HasPrefix(name, "APPLIANCE_") || name == "APPLIANCE_CONFIG" {
			continue
		}
		note := "the variable " + name + " stands for no key"
		if best := closest(name, maps.Keys(known)); best != "" {
			note += "; did you mean " + best + "?"
		}
		notes = append(notes, note)
	}
	return notes
}

// Load reads the sources over the defaults and validates the result. Errors are *Error, joined where there are several.
func Load(src Sources) (Loaded, error) {
	l := Loaded{Config: Default(), File: src.File, Set: map[string]string{}}
	if src.Getenv == nil {
		src.Getenv = os.LookupEnv
	}
	if src.File != "" {
		if err := l.loadFile(src.File, src.Getenv); err != nil {
			return l, err
		}
	}
	var errs []error
	for _, k := range Keys() {
		if text, ok := src.Getenv(k.Env); ok && text != "" {
			errs = append(errs, l.put(k, text, k.Env))
		}
		if text, ok := src.Flags[k.Flag]; ok && k.Flag != "" {
			errs = append(errs, l.put(k, text, "--"+k.Flag))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return l, err
	}
	return l, l.validate()
}

func (l *Loaded) put(k Key, text, where string) error {
	if err := k.set(&l.Config, text); err != nil {
		return &Error{Where: where, Err: err}
	}
	l.Set[k.Path] = where
	return nil
}

func (l *Loaded) loadFile(path string, getenv func(string) (string, bool)) error {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return &Error{Where: path, Err: errors.New("no such file; name the configuration with --config, or leave it out to run with the defaults")}
	}
	if err != nil {
		return &Error{Where: path, Err: fmt.Errorf("read configuration: %w", errors.Unwrap(err))}
	}
	f := file{path: path, getenv: getenv, into: l, keys: map[string]Key{}, groups: map[string]bool{"": true}}
	for _, k := range Keys() {
		f.keys[k.Path] = k
		for i, r := range k.Path {
			if r == '.' {
				f.groups[k.Path[:i]] = true
			}
		}
	}
	return f.load(text)
}

// where says where a key was set, or its name where it was not.
func (l *Loaded) where(path string) string {
	if w, ok := l.Set[path]; ok {
		if strings.HasPrefix(w, "--") || strings.HasPrefix(w, "APPLIANCE_") {
			return w
		}
		return w + ": " + path
	}
	return path
}
