// Command bench-block measures what a block costs: CPU, memory and bytes a span,
// beside Tempo's own CreateBlock where that peer was built. Each block is built
// by a process of its own, whose peak is the figure for memory.
//
//	go run ./.ci/bench-block [-spans 50000,500000,2000000] [-tempo .cache/peers/bin/tempo-blocks]
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
)

// figures are of one block, as the peer prints them too.
type figures struct {
	Spans  int64   `json:"spans"`
	Traces int64   `json:"traces"`
	CPU    float64 `json:"cpu_seconds"` // system and user, with all syncs
	Peak   int64   `json:"peak_rss_bytes"`
	Bytes  int64   `json:"bytes"` // of all files
}

func main() {
	spans := flag.String("spans", "50000,500000,2000000", "sizes of the blocks")
	tempo := flag.String("tempo", ".cache/peers/bin/tempo-blocks", "the peer; left out if it is not there")
	child := flag.String("build", "", "build one block of a file of records, and print its figures")
	profile := flag.String("cpuprofile", "", "with -build: write a profile")
	flag.Parse()
	var err error
	if *child != "" {
		err = build(*child, flag.Arg(0), *profile)
	} else {
		err = compare(strings.Split(*spans, ","), *tempo)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench-block:", err)
		os.Exit(1)
	}
}

func compare(sizes []string, tempo string) error {
	dir, err := os.MkdirTemp("", "bench-block")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if _, err := os.Stat(tempo); err != nil {
		fmt.Printf("Tempo is left out: %v. `.ci/peers/build tempo` makes it.\n", err)
		tempo = ""
	}
	fmt.Printf("%s, %d CPUs, load %s\n\n", runtime.Version(), runtime.NumCPU(), load())
	fmt.Println("| who | spans | traces | bytes in | spans per CPU-second | peak RSS | bytes a span |")
	fmt.Println("|---|---|---|---|---|---|---|")
	for _, size := range sizes {
		n, err := strconv.Atoi(size)
		if err != nil || n < 1 {
			return fmt.Errorf("-spans has %q, which is not a number of spans", size)
		}
		file := filepath.Join(dir, "records.stream")
		in, err := generate(file, n)
		if err != nil {
			return err
		}
		own, err := ask(os.Args[0], "-build", file, filepath.Join(dir, "own"))
		if err != nil {
			return err
		}
		own.print("appliance", in)
		if tempo == "" {
			continue
		}
		theirs, err := ask(tempo, "bench-create", filepath.Join(dir, "tempo"), "bench", file)
		if err != nil {
			return err
		}
		theirs.print("Tempo", in)
		own.printRatio(theirs)
	}
	return nil
}

// printRatio prints the figures as parts of another's.
func (f *figures) printRatio(o *figures) {
	fmt.Printf("| appliance / Tempo | | | | %.1f | %.2f | %.2f |\n",
		float64(f.Spans)/f.CPU*o.CPU/float64(o.Spans), float64(f.Peak)/float64(o.Peak),
		float64(f.Bytes)/float64(f.Spans)*float64(o.Spans)/float64(o.Bytes))
}

func (f *figures) print(who string, in int64) {
	fmt.Printf("| %s | %d | %d | %.0f | %.0f | %.0f MB | %.1f |\n", who, f.Spans, f.Traces, float64(in)/float64(f.Spans),
		float64(f.Spans)/f.CPU, float64(f.Peak)/1e6, float64(f.Bytes)/float64(f.Spans))
}

// load is the machine's load average, by which the figures have to be read.
func load() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	return strings.Fields(string(text))[0]
}

// ask runs a process that prints its figures.
func ask(name string, args ...string) (*figures, error) {
	cmd := exec.Command(name, args...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("run %s %s: %w", name, strings.Join(args, " "), err)
	}
	var f figures
	if err := json.Unmarshal(out, &f); err != nil {
		return nil, fmt.Errorf("read what %s printed: %w", name, err)
	}
	return &f, nil
}
