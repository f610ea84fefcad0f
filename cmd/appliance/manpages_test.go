package main

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// TestManPages writes a page for each command to MAN_DIR, as `make release` asks
// for them, and holds that each says what its command is for.
func TestManPages(t *testing.T) {
	dir := os.Getenv("MAN_DIR")
	if dir == "" {
		dir = t.TempDir()
	}
	seconds, _ := strconv.ParseInt(os.Getenv("SOURCE_DATE_EPOCH"), 10, 64) // not set: 1970
	date := time.Unix(seconds, 0).UTC()
	t.Setenv("APPLIANCE_CONFIG", "") // it would stand in the pages
	root := newRootCommand()
	root.DisableAutoGenTag = true
	header := &doc.GenManHeader{
		Section: "1", Date: &date, Source: "appliance " + os.Getenv("MAN_VERSION"), Manual: "appliance",
	}
	if err := doc.GenManTree(root, header, dir); err != nil {
		t.Fatal(err)
	}
	pages := 0
	var check func(c *cobra.Command)
	check = func(c *cobra.Command) {
		if !c.IsAvailableCommand() && c.HasParent() {
			return
		}
		pages++
		page, err := os.ReadFile(filepath.Join(dir, strings.ReplaceAll(c.CommandPath(), " ", "-")+".1"))
		if err != nil {
			t.Error(err)
			return
		}
		if line, _, _ := strings.Cut(c.Short, "'"); !strings.Contains(string(page), strings.ReplaceAll(line, "-", `\-`)) {
			t.Errorf("%s: the page does not say %q", c.CommandPath(), line)
		}
		for _, sub := range c.Commands() {
			check(sub)
		}
	}
	check(root)
	if pages < 40 {
		t.Errorf("%d pages; there are more commands", pages)
	}
}
