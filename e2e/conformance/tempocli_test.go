package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"appliance/e2e/internal/content"
	"appliance/e2e/internal/harness"
	"appliance/internal/block/blocktest"
)

// TestTempoCLI asks the appliance, and a stock Tempo with the same spans, by the
// program that Tempo comes with. What it prints has to be the same.
func TestTempoCLI(t *testing.T) {
	var records [][]byte
	set := content.NewSet()
	for l := blocktest.NewLoad(1, 3000); ; {
		record, n := l.Next()
		if n == 0 {
			break
		}
		records = append(records, bytes.Clone(record))
		td, err := content.Decode(record)
		if err == nil {
			err = set.Add(td)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	ids := set.Traces()
	stock := startTempoWith(t, records)
	ours := startApplianceWith(t, records)
	since, until := time.Unix(randomBase-60, 0).UTC().Format(time.RFC3339), time.Unix(randomBase+600, 0).UTC().Format(time.RFC3339)
	const limit = "--limit=100000"
	for name, c := range map[string]struct {
		command string
		args    []string // HOST is where to ask
	}{
		"trace":         {"trace-id", []string{"http://HOST", fmt.Sprintf("%x", ids[0])}},
		"trace, v1":     {"trace-id", []string{"http://HOST", fmt.Sprintf("%x", ids[1]), "--v1"}},
		"search":        {"search", []string{"HOST", `{ status = error }`, since, until, limit}},
		"search, gRPC":  {"search", []string{"HOST", `{ status = error }`, since, until, limit, "--use-grpc"}},
		"structure":     {"search", []string{"HOST", `{ kind = server } >> { status = error }`, since, until, limit, "--spss=50"}},
		"tags":          {"search-tags", []string{"HOST", since, until}},
		"tags, gRPC":    {"search-tags", []string{"HOST", since, until, "--use-grpc"}},
		"values":        {"search-tag-values", []string{"HOST", "resource.service.name", since, until}},
		"values, gRPC":  {"search-tag-values", []string{"HOST", "resource.service.name", since, until, "--use-grpc"}},
		"metric":        {"metrics", []string{"HOST", `{ } | rate() by (resource.service.name)`, since, until}},
		"metric, gRPC":  {"metrics", []string{"HOST", `{ } | rate() by (resource.service.name)`, since, until, "--use-grpc"}},
		"instant":       {"metrics", []string{"HOST", `{ status = error } | count_over_time()`, since, until, "--instant"}},
		"instant, gRPC": {"metrics", []string{"HOST", `{ status = error } | count_over_time()`, since, until, "--instant", "--use-grpc"}},
	} {
		t.Run(name, func(t *testing.T) {
			want, got := tempoCLI(t, stock.http, c.command, c.args), tempoCLI(t, ours.Read, c.command, c.args)
			if len(want) == 0 || !slices.Equal(want, got) {
				t.Errorf("%s %q prints of a Tempo and of the appliance:", c.command, c.args)
				mustEqualPrinted(t, want, got)
			}
		})
	}
}

// mustEqualPrinted shows the first lines that differ, from where they do.
func mustEqualPrinted(t *testing.T, want, got []string) {
	t.Helper()
	if len(want) != len(got) {
		t.Errorf("%d and %d lines: %.300s and %.300s", len(want), len(got), strings.Join(want, "\n"), strings.Join(got, "\n"))
	}
	for i := range min(len(want), len(got)) {
		at := 0
		for at < min(len(want[i]), len(got[i])) && want[i][at] == got[i][at] {
			at++
		}
		if want[i] != got[i] {
			from := max(0, at-100)
			t.Errorf("line %d:\n%.400s\n%.400s", i, want[i][from:], got[i][from:])
			return
		}
	}
}

// tempoCLI is what `tempo-cli query api` prints, as lines without an order: the
// fields of its JSON, and the elements of their lists.
func tempoCLI(t *testing.T, host, command string, args []string) (lines []string) {
	t.Helper()
	all := []string{"query", "api", command}
	for _, a := range args {
		all = append(all, strings.ReplaceAll(a, "HOST", host))
	}
	cmd := exec.CommandContext(t.Context(), harness.Peer(t, "tempo-cli"), all...)
	var out, failure bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &failure
	if err := cmd.Run(); err != nil {
		t.Fatalf("tempo-cli %q: %v\n%s%s", all, err, &out, &failure)
	}
	printed := out.String()
	for values := json.NewDecoder(&out); ; {
		var v map[string]any
		err := values.Decode(&v)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("tempo-cli %q does not print JSON: %v\n%.2000s", all, err, printed)
		}
		delete(v, "metrics") // what the answer has cost
		for field, value := range v {
			elements, ok := value.([]any)
			if !ok {
				elements = []any{value}
			}
			for _, e := range elements {
				text, err := json.Marshal(unordered(e))
				if err != nil {
					t.Fatal(err)
				}
				lines = append(lines, field+": "+string(text))
			}
		}
	}
	slices.Sort(lines)
	return slices.Compact(lines) // a stream says some twice
}

// unordered sorts all lists within a value. It leaves out exemplars, which are any,
// and messages that are empty.
func unordered(v any) any {
	switch v := v.(type) {
	case map[string]any:
		delete(v, "exemplars")
		for k, e := range v {
			v[k] = unordered(e)
			if m, ok := e.(map[string]any); ok && len(m) == 0 {
				delete(v, k)
			}
		}
	case []any:
		text := func(e any) []byte {
			b, _ := json.Marshal(e) // it was JSON
			return b
		}
		for i := range v {
			v[i] = unordered(v[i])
		}
		slices.SortFunc(v, func(a, b any) int { return bytes.Compare(text(a), text(b)) })
	}
	return v
}
