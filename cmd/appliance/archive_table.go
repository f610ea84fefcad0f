package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"appliance/archive"
	"appliance/internal/plural"
)

// How the commands print: what is listed as a table, a wider one, one JSON
// array, or one JSON object a line; a report as text or one JSON object. Where
// a report has a table in it, table and wide are that text.
var (
	listOutputs    = []string{"table", "wide", "json", "jsonl"}
	reportOutputs  = []string{"text", "json"}
	sumOutputs     = []string{"text", "table", "wide", "json"}
	segmentOutputs = []string{"text", "table", "wide", "json", "jsonl"}
)

// addOutputFlag gives c the flag -o, which takes outputs, the first by default.
// What it returns says which was chosen.
func addOutputFlag(c *cobra.Command, outputs []string) func() (string, error) {
	output := c.Flags().StringP("output", "o", outputs[0], strings.Join(outputs, ", "))
	// there is such a flag
	_ = c.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(outputs, cobra.ShellCompDirectiveNoFileComp))
	return func() (string, error) {
		if !slices.Contains(outputs, *output) {
			return "", wrongUsage(c, fmt.Errorf("-o %q is none of %s", *output, strings.Join(outputs, ", ")))
		}
		return *output, nil
	}
}

// writeList writes items as JSON, or hands a table to fill to table.
func writeList[T any](w io.Writer, output string, items []T, table func(t *tabwriter.Writer, wide bool)) error {
	switch output {
	case "json":
		if items == nil {
			items = []T{}
		}
		return writeJSON(w, items)
	case "jsonl":
		enc := json.NewEncoder(w)
		for _, item := range items {
			if err := enc.Encode(item); err != nil {
				return err
			}
		}
		return nil
	}
	if len(items) == 0 {
		return nil
	}
	t := newTable(w)
	table(t, output == "wide")
	return t.Flush()
}

func newTable(w io.Writer) *tabwriter.Writer { return tabwriter.NewWriter(w, 0, 0, 2, ' ', 0) }

// row writes a line of a table, without blanks at its end.
func row(t *tabwriter.Writer, cells ...string) {
	for len(cells) > 0 && cells[len(cells)-1] == "" {
		cells = cells[:len(cells)-1]
	}
	fmt.Fprintln(t, strings.Join(cells, "\t"))
}

// blockTable fills a table with blocks. Before is a column of the caller's,
// with its head, or nil. When blocks are purged is shown where it is known of
// one.
func blockTable(t *tabwriter.Writer, wide bool, now time.Time, blocks []archive.Block, head string, before func(i int) string) {
	cells := []string{"TENANT", "BLOCK", "STATE", "START", "END", "TRACES", "SPANS", "SIZE"}
	purges := slices.ContainsFunc(blocks, func(b archive.Block) bool { return !b.PurgesAt.IsZero() })
	if purges {
		cells = append(cells, "PURGES IN")
	}
	if wide {
		cells = append(cells, "ENCODING", "LEVEL", "ARCHIVED", "VERIFIED")
	}
	first := func(int) []string { return nil }
	if before != nil {
		first = func(i int) []string { return []string{before(i)} }
		cells = append([]string{head}, cells...)
	}
	row(t, append(cells, "NOTES")...)
	short := shortID(blocks)
	for i, b := range blocks {
		id := b.ID
		if !wide {
			id = id[:min(short, len(id))]
		}
		cells := append(first(i), b.Tenant, id, string(b.State), timeText(b.Start), timeText(b.End), countText(b.Traces), countText(b.Spans), sizeText(b.Bytes))
		if purges {
			cells = append(cells, purgesIn(b, now))
		}
		if wide {
			cells = append(cells, orDash(b.Encoding), strconv.Itoa(b.CompactionLevel), timeText(b.ArchivedAt), timeText(b.VerifiedAt))
		}
		row(t, append(cells, notes(b))...)
	}
}

func notes(b archive.Block) string {
	var all []string
	if b.Pinned {
		all = append(all, "pinned")
	}
	if b.DerivedFrom != "" {
		all = append(all, "was "+b.DerivedFrom)
	}
	return strings.Join(all, ", ")
}

// shortID is how many digits tell the blocks apart, at least eight.
func shortID(blocks []archive.Block) int {
	for n := 8; n < 36; n++ {
		seen := make(map[string]string, len(blocks))
		clash := false
		for _, b := range blocks {
			key := b.ID[:min(n, len(b.ID))]
			if other, ok := seen[key]; ok && other != b.ID {
				clash = true
				break
			}
			seen[key] = b.ID
		}
		if !clash {
			return n
		}
	}
	return 36
}

// purgesIn is the time until the retention lets a block go.
func purgesIn(b archive.Block, now time.Time) string {
	switch left := b.PurgesAt.Sub(now); {
	case b.PurgesAt.IsZero():
		return "-"
	case left <= 0:
		return "due"
	case left < time.Hour:
		return left.Round(time.Second).String()
	case left < 48*time.Hour:
		return fmt.Sprintf("%dh%dm", left/time.Hour, left%time.Hour/time.Minute)
	default:
		return fmt.Sprintf("%dd%dh", left/(24*time.Hour), left%(24*time.Hour)/time.Hour)
	}
}

// timeText is a time as --since takes it.
func timeText(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format(time.RFC3339)
}

func countText(n int64) string {
	if n == 0 {
		return "-" // nothing, or not counted
	}
	return humanize.Comma(n)
}

func sizeText(bytes int64) string { return humanize.IBytes(uint64(max(0, bytes))) }

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// several is a number with its noun.
func several[N int | int64](n N, noun string) string { return plural.Of(n, noun) }

// printable is text from a client without what a terminal would obey.
func printable(s string) string {
	if strings.IndexFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) < 0 {
		return s
	}
	quoted := strconv.Quote(s)
	return quoted[1 : len(quoted)-1]
}
