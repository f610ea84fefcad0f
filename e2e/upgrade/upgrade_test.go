package upgrade

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"appliance/e2e/internal/harness"
)

var write = flag.String("write", "", "write the directory of this version, which is that of the binary")

const (
	patience  = 2 * time.Minute
	storing   = "embedded.tar.gz"  // a data directory with blocks, archive and spool
	sending   = "elsewhere.tar.gz" // one with a spool whose spans go to a Tempo elsewhere
	inventory = "expected.json"
	// What is older than the retention is purged, and the files grow old.
	retention = "APPLIANCE_RETENTION=87600h"
)

// expected is what the data directories of a version hold.
type expected struct {
	Embedded  content `json:"embedded"`
	Elsewhere content `json:"elsewhere"`
}

type content struct {
	Ledger harness.Ledger `json:"ledger"`
	Spans  map[string]int `json:"spans"`            // of each trace
	Pinned string         `json:"pinned,omitempty"` // an archived block
	Files  []string       `json:"files"`            // patterns, each of a format on disk
}

// TestUpgrade starts this version on the directories of each earlier one.
func TestUpgrade(t *testing.T) {
	if *write != "" {
		writeVersion(t, filepath.Join("testdata", *write))
	}
	versions, err := os.ReadDir("testdata")
	if err != nil || len(versions) == 0 {
		t.Fatalf("%d versions, %v", len(versions), err)
	}
	for _, v := range versions {
		dir := filepath.Join("testdata", v.Name())
		text, err := os.ReadFile(filepath.Join(dir, inventory))
		if err != nil {
			t.Fatal(err)
		}
		var want expected
		if err := json.Unmarshal(text, &want); err != nil {
			t.Fatal(err)
		}
		t.Run(v.Name()+"/embedded", func(t *testing.T) { takesOverBlocks(t, filepath.Join(dir, storing), want.Embedded) })
		t.Run(v.Name()+"/elsewhere", func(t *testing.T) { takesOverSpool(t, filepath.Join(dir, sending), want.Elsewhere) })
	}
}

// takesOverBlocks: every span is found, archived and counted; the marks of the archive hold.
func takesOverBlocks(t *testing.T, archive string, want content) {
	dir := unpack(t, archive)
	mustHaveFiles(t, dir, want.Files)
	env := harness.QuickBlocks()
	key, value, _ := strings.Cut(retention, "=")
	env[key] = value
	a := harness.Start(t, harness.Options{DataDir: dir, Env: env})
	a.MustFind(t, want.Spans)
	harness.Eventually(t, patience, "everything in blocks, and these archived", func() error {
		s, err := a.Status(t.Context())
		switch {
		case err != nil:
			return err
		case s.Ledger.Pending > 0 || s.Archive.PendingBlocks > 0 || s.Archive.LastSuccess.IsZero():
			return fmt.Errorf("%+v", s)
		}
		if s.Store.Unreadable > 0 || s.Store.LastError != "" {
			t.Errorf("the store: %+v", s.Store)
		}
		return nil
	})
	mustBeCounted(t, a, want.Ledger)
	a.MustFind(t, want.Spans)
	a.Stop(t)

	command(t, dir, "archive", "verify", "--read-data", "--source", "none")
	if pinned := command(t, dir, "archive", "list", "--source", "none", "-o", "wide"); !pinnedIn(pinned, want.Pinned) {
		t.Errorf("block %s is not pinned any more:\n%s", want.Pinned, pinned)
	}
}

// takesOverSpool: every span goes to the Tempo elsewhere, also what was set aside.
func takesOverSpool(t *testing.T, archive string, want content) {
	dir := unpack(t, archive)
	mustHaveFiles(t, dir, want.Files)
	backend := harness.NewBackend(t)
	env := backend.Env()
	env["APPLIANCE_FORWARDER_SETTLE"] = "1s"
	a := harness.Start(t, harness.Options{DataDir: dir, Env: env})
	harness.Eventually(t, patience, "every span is sent and settled", func() error {
		s, err := a.Status(t.Context())
		if err == nil && s.Ledger.Proven != s.Ledger.Kept {
			err = fmt.Errorf("%+v", s.Ledger)
		}
		return err
	})
	mustBeCounted(t, a, want.Ledger)
	got := backend.Traces()
	for trace, spans := range want.Spans {
		if got[trace] != spans {
			t.Errorf("trace %s: %d spans were sent on, %d are in the spool", trace, got[trace], spans)
		}
	}
}

// mustBeCounted holds the account of before, but for what has been proven since.
func mustBeCounted(t *testing.T, a *harness.Appliance, want harness.Ledger) {
	t.Helper()
	got := a.Account(t)
	if got.Received != want.Received || got.Kept != want.Kept || got.Proven != want.Kept ||
		fmt.Sprint(got.SampledOut) != fmt.Sprint(want.SampledOut) || fmt.Sprint(got.Rejected) != fmt.Sprint(want.Rejected) {
		t.Errorf("account %+v\nof before: %+v", got, want)
	}
}

// mustHaveFiles holds that the directory has a file of each format.
func mustHaveFiles(t *testing.T, dir string, patterns []string) {
	t.Helper()
	for _, pattern := range patterns {
		if found, err := filepath.Glob(filepath.Join(dir, pattern)); err != nil || len(found) == 0 {
			t.Errorf("no file %s: %v", pattern, err)
		}
	}
}

// command runs a command of the binary on a data directory.
func command(t *testing.T, dir string, args ...string) string {
	t.Helper()
	c := exec.CommandContext(t.Context(), harness.Bin(t), append(args, "--data-dir", dir)...)
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("appliance %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

func pinnedIn(table, id string) bool {
	for line := range strings.Lines(table) {
		if strings.Contains(line, id) {
			return strings.Contains(line, "pinned")
		}
	}
	return false
}
