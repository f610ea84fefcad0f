// Command gotest runs `go test -json` with its arguments, shows what failed
// (and nothing of what passed), and closes with the count: "NAME: N passed, N
// failed, N skipped". A run without a test fails.
//
//	go run ./.ci/gotest NAME [go test arguments]
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"
)

type event struct {
	Action, Package, Test, Output string
	ImportPath                    string
}

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: gotest NAME [go test arguments]")
		os.Exit(2)
	}
	os.Exit(run(os.Args[1], os.Args[2:]))
}

func run(name string, args []string) int {
	began := time.Now()
	cmd := exec.Command("go", append([]string{"test", "-json"}, args...)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if err := cmd.Start(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	var passed, failed, skipped int
	output := map[string]*strings.Builder{} // by package and test, until it has passed
	lines := bufio.NewReaderSize(out, 1<<20)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			var e event
			if json.Unmarshal(line, &e) != nil {
				_, _ = os.Stdout.Write(line)
				continue
			}
			key := e.Package + e.ImportPath + " " + e.Test
			switch e.Action {
			case "output", "build-output":
				if output[key] == nil {
					output[key] = &strings.Builder{}
				}
				output[key].WriteString(e.Output)
				// figures that tests print for the record
				if strings.Contains(e.Output, "measured: ") {
					fmt.Print(strings.TrimLeft(e.Output, " "))
				}
			case "pass", "skip", "fail", "build-fail":
				if e.Test != "" {
					switch e.Action {
					case "pass":
						passed++
					case "skip":
						skipped++
					default:
						failed++
					}
				}
				if e.Action == "fail" || e.Action == "build-fail" || e.Action == "skip" && e.Test != "" {
					if text := output[key]; text != nil {
						fmt.Printf("--- %s %s\n%s", e.Action, key, text)
					}
				}
				delete(output, key)
			}
		}
		if err != nil {
			break
		}
	}
	err = cmd.Wait()
	fmt.Printf("%s: %d passed, %d failed, %d skipped in %.0f s\n", name, passed, failed, skipped, time.Since(began).Seconds())
	switch {
	case err != nil || failed > 0:
		return 1
	case passed == 0:
		fmt.Println(name + ": ran no test")
		return 1
	}
	return 0
}
