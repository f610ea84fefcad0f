// Command conformance asks a server of Tempo's read API what a stock Tempo was
// asked, and compares the answers.
//
//	go run ./conformance -url http://127.0.0.1:3200 testdata/conformance/open.jsonl.gz
//	go run ./conformance ingest -otlp http://127.0.0.1:4318 testdata/conformance/main/part-1-*.pb.gz ...
//
// The dataset has to be there first. testdata/conformance/README.md says how.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"

	"appliance/e2e/internal/conformance"
)

// errDiffers says that an answer is another.
var errDiffers = errors.New("there are differences")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	run, args := replay, os.Args[1:]
	if len(args) > 0 && args[0] == "ingest" {
		run, args = ingest, args[1:]
	}
	err := run(ctx, args)
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
	case errors.Is(err, errDiffers):
		os.Exit(1)
	default:
		fmt.Fprintln(os.Stderr, "conformance:", err)
		os.Exit(2)
	}
}

func ingest(ctx context.Context, args []string) error {
	fs := flag.NewFlagSet("ingest", flag.ContinueOnError)
	endpoint := fs.String("otlp", "http://127.0.0.1:4318", "OTLP/HTTP endpoint")
	shift := fs.Int64("shift", 0, "seconds by which the times of the spans are moved")
	if err := fs.Parse(args); err != nil {
		return err
	}
	if fs.NArg() == 0 {
		return errors.New("no file is given; name those of testdata/conformance")
	}
	return conformance.Ingest(ctx, *endpoint, *shift, fs.Args()...)
}

func replay(ctx context.Context, args []string) error {
	var o conformance.Options
	fs := flag.NewFlagSet("conformance", flag.ContinueOnError)
	url := fs.String("url", "http://127.0.0.1:3200", "the read API")
	show := fs.Int("show", 3, "differences that are shown of each category")
	out := fs.String("json", "", "file for all differences, a JSON object a line")
	fs.Int64Var(&o.Shift, "shift", 0, "seconds by which the times of the spans were moved")
	fs.StringVar(&o.Category, "cat", "", "only categories that begin so")
	fs.BoolVar(&o.Unstable, "all", false, "also what a stock Tempo has several answers to")
	fs.BoolVar(&o.OneBlock, "oneblock", false, "the answer of traces that are not spread over blocks is right too")
	fs.BoolVar(&o.Words, "words", false, "compare the words of errors")
	fs.BoolVar(&o.ContentType, "types", false, "compare content types")
	fs.IntVar(&o.Parallel, "j", 2, "requests at a time")
	faults := fs.Bool("faults", true, "also answers that come of a fault of Tempo's")
	if err := fs.Parse(args); err != nil {
		return err
	}
	if fs.NArg() == 0 {
		return errors.New(
			"no corpus is given; name a file such as testdata/conformance/open.jsonl.gz",
		)
	}
	o.SkipFaults = !*faults
	client, err := conformance.NewClient(*url)
	if err != nil {
		return err
	}
	defer func() { _ = client.Close() }() // every answer has been read
	var results []conformance.Result
	for _, path := range fs.Args() {
		_, lines, err := conformance.Read(path)
		if err != nil {
			return err
		}
		some, err := conformance.Replay(ctx, client, o.Choose(lines), o)
		if err != nil {
			return err
		}
		results = append(results, some...)
	}
	if len(results) == 0 {
		return fmt.Errorf("no line is of category %q", o.Category)
	}
	if err := writeDifferences(*out, results); err != nil {
		return err
	}
	return report(os.Stdout, results, *show)
}

// report prints a table of categories, and some differences of each.
func report(w io.Writer, results []conformance.Result, show int) error {
	type tally struct{ asked, equal int }
	sums := map[string]*tally{}
	total := tally{}
	for _, r := range results {
		s := sums[r.Line.Category]
		if s == nil {
			s = &tally{}
			sums[r.Line.Category] = s
		}
		s.asked, total.asked = s.asked+1, total.asked+1
		if r.Difference == "" {
			s.equal, total.equal = s.equal+1, total.equal+1
		} else if s.asked-s.equal <= show {
			fmt.Fprintf(
				w, "%s %s\n  %s\n  %s\n", r.Line.ID, r.Line.Category, &r.Line.Request, r.Difference,
			)
		}
	}
	fmt.Fprintf(w, "%-40s %6s %6s\n", "category", "asked", "equal")
	for _, category := range sortedKeys(sums) {
		s := sums[category]
		fmt.Fprintf(w, "%-40s %6d %6d\n", category, s.asked, s.equal)
	}
	fmt.Fprintf(w, "%-40s %6d %6d\n", "all", total.asked, total.equal)
	if total.equal < total.asked {
		return errDiffers
	}
	return nil
}

func sortedKeys[V any](m map[string]V) (keys []string) {
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

func writeDifferences(path string, results []conformance.Result) error {
	if path == "" {
		return nil
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	e := json.NewEncoder(f)
	for _, r := range results {
		if r.Difference == "" {
			continue
		}
		err = errors.Join(err, e.Encode(map[string]any{
			"id": r.Line.ID, "category": r.Line.Category, "request": r.Line.Request.String(), "difference": r.Difference,
			"want": r.Line.Body, "got": r.Got.Body,
		}))
	}
	return errors.Join(err, f.Close())
}
