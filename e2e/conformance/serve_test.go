package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"appliance/e2e/internal/conformance"
	"appliance/e2e/internal/harness"
)

// TestServe asks the appliance, which stores the dataset itself, all that a Tempo
// was asked when the corpus was recorded. What is answered otherwise is listed,
// exactly; docs/traceql.md has the reasons.
func TestServe(t *testing.T) {
	o := harness.Options{DataDir: t.TempDir(), Env: map[string]string{
		"APPLIANCE_RETENTION": "876000h", // the dataset has its time
		// each part is in a block of its own, as it was then
		"APPLIANCE_BLOCKS_MAX_WAIT": "10m",
	}}
	a := harness.Start(t, o)
	for part := 1; part <= 2; part++ {
		for _, set := range []string{"main", "edge"} {
			files, err := filepath.Glob(filepath.Join(testdata, set, fmt.Sprintf("part-%d*.pb.gz", part)))
			if err != nil || len(files) == 0 {
				t.Fatalf("the dataset has no part %d of the %s set: %v", part, set, err)
			}
			if err := conformance.Ingest(t.Context(), "http://"+a.Intake, 0, files...); err != nil {
				t.Fatal(err)
			}
		}
		a.Stop(t) // which makes a block of it
		a = harness.Start(t, o)
	}
	if s, err := a.Status(t.Context()); err != nil || s.Ledger.Pending != 0 || s.Store.Blocks != 2 {
		t.Fatalf("the parts are not in two blocks: %+v, %v", s, err)
	}
	_, lines, err := conformance.Read(filepath.Join(testdata, "open.jsonl.gz"))
	if err != nil {
		t.Fatal(err)
	}
	choice := options
	choice.SkipFaults = true
	chosen := choice.Choose(lines)
	differ := differences(t, "http://"+a.Read, chosen)
	const list = "testdata/serve.txt"
	known := knownDifferences(t, list)
	var found []string
	for _, line := range chosen {
		switch why, listed := known[line.ID]; {
		case listed && differ[line] == "":
			t.Errorf("%s is answered as recorded, and listed as %q", line.ID, why)
		case !listed && differ[line] != "":
			found = append(found, line.ID)
			t.Errorf("%s %s\n%s\n%s", line.ID, line.Category, &line.Request, differ[line])
		}
	}
	t.Logf("measured: %s: of %d requests %d are answered as recorded, %d otherwise", t.Name(), len(chosen), len(chosen)-len(differ), len(differ))
	if dir := os.Getenv("CONFORMANCE_FOUND"); dir != "" { // for whoever adds to the list
		slices.Sort(found)
		if err := os.WriteFile(filepath.Join(dir, "found"), []byte(strings.Join(found, "\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
