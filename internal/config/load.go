package config

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
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

	written map[string]string // path of a size -> as somebody wrote it
	// paths of keys whose value is wrong: what they would be is not known, and that is said already
	unusable map[string]bool
}

// Misspelled names each variable of an environment (os.Environ) that begins with
// APPLIANCE_ and stands for no key. Mistakes are like a key, or begin as a group
// of keys does. The others may be of somebody's script.
func Misspelled(environ []string) (mistakes, others []*Error) {
	known, groups := map[string]Key{}, map[string]bool{}
	for _, k := range Keys() {
		known[k.Env] = k
		if group, _, ok := strings.Cut(k.Path, "."); ok {
			groups[envOf(group)] = true
		}
	}
	gone := map[string]bool{}
	for path := range renamed {
		gone[envOf(path)] = true // Load says what became of it
	}
	for _, kv := range environ {
		name, value, _ := strings.Cut(kv, "=")
		if _, ok := known[name]; ok || gone[name] || value == "" || !strings.HasPrefix(name, "APPLIANCE_") || name == "APPLIANCE_CONFIG" {
			continue
		}
		mistake := &Error{Where: name, Err: errors.New("stands for no key; appliance config print --defaults shows the keys")}
		best := Closest(name, maps.Keys(known))
		if best != "" {
			mistake.Err = errors.New("stands for no key; did you mean " + best + "?")
		}
		group, _, _ := strings.Cut(strings.TrimPrefix(name, "APPLIANCE_"), "_")
		if best == "" && !groups["APPLIANCE_"+group] {
			others = append(others, mistake)
			continue
		}
		mistakes = append(mistakes, mistake)
	}
	return mistakes, others
}

// Load reads the sources over the defaults and validates the result. The error
// names every mistake in all of them; each is an *Error, joined where there are
// several.
func Load(src Sources) (Loaded, error) {
	l := Loaded{Config: Default(), File: src.File, Set: map[string]string{}, written: map[string]string{}, unusable: map[string]bool{}}
	if src.Getenv == nil {
		src.Getenv = os.LookupEnv
	}
	var errs []error
	if src.File != "" {
		errs = append(errs, l.loadFile(src.File, src.Getenv))
	}
	for _, k := range Keys() {
		if text, ok := src.Getenv(k.Env); ok && text != "" {
			errs = append(errs, l.put(k, text, k.Env))
		}
		if text, ok := src.Flags[k.Flag]; ok && k.Flag != "" {
			errs = append(errs, l.put(k, text, "--"+k.Flag))
		}
	}
	for _, path := range slices.Sorted(maps.Keys(renamed)) {
		if text, ok := src.Getenv(envOf(path)); ok && text != "" {
			errs = append(errs, &Error{Where: envOf(path), Err: fmt.Errorf("%s %s", path, renamed[path])})
		}
	}
	errs = append(errs, l.validate())
	return l, errors.Join(errs...)
}

func (l *Loaded) put(k Key, text, where string) error {
	if err := k.set(&l.Config, text); err != nil {
		l.unusable[k.Path] = true
		return &Error{Where: where, Err: err}
	}
	l.read(k, text, where)
	return nil
}

// read notes that a key was set, and where. text is its value where that is a
// single one.
func (l *Loaded) read(k Key, text, where string) {
	l.Set[k.Path] = where
	if k.Type == typeSize {
		l.written[k.Path] = strings.TrimSpace(text)
	}
	delete(l.unusable, k.Path)
}

// unreadAll marks every key as one that a file may have set, which cannot be read at all.
func (l *Loaded) unreadAll() {
	for _, k := range Keys() {
		l.unusable[k.Path] = true
	}
}

// Known tells whether nothing was wrong yet with any of the keys, each with
// those below it, so that one can be judged by another.
func (l *Loaded) Known(paths ...string) bool {
	for wrong := range l.unusable {
		for _, path := range paths {
			if wrong == path || strings.HasPrefix(wrong, path+".") {
				return false
			}
		}
	}
	return true
}

// At says of an error that the value of a key is its cause, and where that was set.
func (l *Loaded) At(path string, err error) error { return &Error{Where: l.where(path), Err: err} }

func (l *Loaded) loadFile(path string, getenv func(string) (string, bool)) error {
	text, err := readFile(path)
	if err != nil {
		l.unreadAll()
		return err
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

// where says where a key, or an entry of a map, was set; its name where it was not.
func (l *Loaded) where(path string) string {
	key := path
	for _, set := l.Set[key]; !set; _, set = l.Set[key] {
		dot := strings.LastIndexByte(key, '.')
		if dot < 0 {
			return path
		}
		key = key[:dot]
	}
	switch w := l.Set[key]; {
	case !strings.HasPrefix(w, "--") && !strings.HasPrefix(w, "APPLIANCE_"):
		return w + ": " + path
	case key != path:
		return w + ": " + path[len(key)+1:]
	default:
		return w
	}
}
