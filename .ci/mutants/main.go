// Command mutants breaks the code on purpose, one sabotage at a time, and runs
// the tests that must notice. It fails when they do not, and when a sabotage no
// longer fits the code.
//
//	go run ./.ci/mutants [NAME...]
//	go run ./.ci/mutants -fit
//
// With -fit it only says whether all sabotages fit, which takes no time.
//
// A sabotage is a file in .ci/mutants/sabotage:
//
//	What is broken, in a line.
//	test: go test arguments, from the repository's root; or
//	e2e: go test arguments, from e2e, with a binary that was built from the sabotaged code
//	file: a path
//	- a line that is there
//	+ a line that takes its place
//
// Successive "-" lines have to stand in the file exactly once; the "+" lines
// after them take their place. Nothing in the tree is changed: the compiler is
// given the sabotaged files instead (-overlay).
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

const (
	sabotages = ".ci/mutants/sabotage"
	scratch   = ".cache/mutants"
	atOnce    = 2 // much of the tests' time is waiting for the disk
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	survived, err := run(ctx, os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
	}
	if err != nil || survived > 0 {
		os.Exit(1)
	}
}

func run(ctx context.Context, only []string) (survived int, err error) {
	root, err := filepath.Abs(".")
	if err != nil {
		return 0, err
	}
	files, err := filepath.Glob(filepath.Join(sabotages, "*.txt"))
	if err != nil || len(files) == 0 {
		return 0, fmt.Errorf("find %s/*.txt (run it from the repository's root): %d there, %v", sabotages, len(files), err)
	}
	fit := slices.Equal(only, []string{"-fit"})
	var all []*sabotage
	var misfits []error
	for _, file := range files {
		s, err := parse(root, file)
		if err != nil {
			misfits = append(misfits, err)
		} else if fit || len(only) == 0 || slices.Contains(only, s.name) {
			all = append(all, s)
		}
	}
	if err := errors.Join(misfits...); err != nil || fit { // before anything runs
		return 0, err
	}
	if len(all) == 0 {
		return 0, fmt.Errorf("there is no sabotage called %s", strings.Join(only, ", "))
	}
	began := time.Now()
	outcomes := make([]chan outcome, len(all))
	slots := make(chan struct{}, atOnce)
	for i, s := range all {
		outcomes[i] = make(chan outcome, 1)
		go func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			outcomes[i] <- s.try(ctx, root)
		}()
	}
	for i, s := range all {
		o := <-outcomes[i]
		if o.err != nil {
			return survived, fmt.Errorf("%s: %w", s.name, o.err)
		}
		verdict := "caught"
		if !o.caught {
			verdict = "NOT CAUGHT"
			survived++
		}
		fmt.Printf("%-10s %-36s %5.1f s  %s  [%s]\n", verdict, s.name, o.took.Seconds(), s.what, o.by)
	}
	fmt.Printf("measured: mutants: %d sabotages, %d caught, %d survived in %.0f s\n", len(all), len(all)-survived, survived, time.Since(began).Seconds())
	return survived, nil
}
