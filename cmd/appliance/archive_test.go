package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"appliance/archive"
)

// blocksOfTempo are three blocks of a Tempo 2.7.2; its README says what is in them.
const blocksOfTempo = "../../archive/read/testdata/single-tenant"

// blocks DIR puts the three blocks into the storage of a Tempo.
func blocks(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: blocks DIR")
	}
	dir := filepath.Join(ts.MkAbs(args[0]), "single-tenant")
	ts.Check(os.MkdirAll(filepath.Dir(dir), 0o755))
	ts.Check(os.CopyFS(dir, os.DirFS(blocksOfTempo)))
}

// flip FILE changes a bit in the middle of a file.
func flip(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: flip FILE")
	}
	name := ts.MkAbs(args[0])
	data, err := os.ReadFile(name)
	ts.Check(err)
	data[len(data)/2] ^= 4
	ts.Check(os.WriteFile(name, data, 0o644))
}

var (
	anyTime  = regexp.MustCompile(`20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z`)
	checksum = regexp.MustCompile(`"checksum": "[0-9a-f]{64}"`)
)

// steady runs a command line and replaces what is different each time in what
// it prints: times that do not come from the blocks, the directory of the test,
// the name of the host.
func steady() {
	var stdout, stderr bytes.Buffer
	code := run(context.Background(), os.Args[1:], &stdout, &stderr)
	host, _ := os.Hostname()
	clean := func(text string) string {
		text = anyTime.ReplaceAllStringFunc(text, func(t string) string {
			if strings.HasPrefix(t, "2026-11-22T15:3") {
				return t
			}
			return "2000-01-01T00:00:00Z"
		})
		text = strings.NewReplacer("file://"+host+"/", "file://HOST/", "by "+host+"\n", "by HOST\n", `"archived_by": "`+host+`"`, `"archived_by": "HOST"`).Replace(text)
		text = strings.ReplaceAll(text, os.Getenv("WORK"), "$WORK")
		return checksum.ReplaceAllString(text, `"checksum": "CHECKSUM"`)
	}
	os.Stdout.WriteString(clean(stdout.String()))
	os.Stderr.WriteString(clean(stderr.String()))
	os.Exit(code)
}

// runCommand runs a command line and returns what it printed.
func runCommand(ctx context.Context, args ...string) (code int, stdout, stderr string) {
	var out, errs bytes.Buffer
	code = run(ctx, args, &out, &errs)
	return code, out.String(), errs.String()
}

// TestInterruptedArchiving ends a run in the middle of a block, as Ctrl-C does.
// The archive is in order, and the next run goes on from there.
func TestInterruptedArchiving(t *testing.T) {
	dir := t.TempDir()
	src, dst := filepath.Join(dir, "src"), filepath.Join(dir, "dst")
	if err := os.MkdirAll(src, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(filepath.Join(src, "single-tenant"), os.DirFS(blocksOfTempo)); err != nil {
		t.Fatal(err)
	}
	at := []string{"--source", "file://" + src, "--store", "file://" + dst}
	t.Run("run", func(t *testing.T) {
		t.Setenv("APPLIANCE_ARCHIVE_BYTES_PER_SECOND", "100KB") // each block is 150 KB
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			defer cancel()
			tick := time.NewTicker(5 * time.Millisecond)
			defer tick.Stop()
			for ctx.Err() == nil { // until a file of the second block is there
				<-tick.C
				if files, _ := filepath.Glob(filepath.Join(dst, "single-tenant", "*", "*")); len(files) > 5 {
					return
				}
			}
		}()
		code, stdout, stderr := runCommand(ctx, append([]string{"archive", "run"}, at...)...)
		if code != exitPartial || stdout != "" || stderr != "appliance: interrupted after 1 block; what is archived stays, and the next run goes on from there\n" {
			t.Fatalf("exit code %d, %q, %q", code, stdout, stderr)
		}
	})
	for _, step := range []struct {
		code int
		args []string
		want string
	}{
		{exitFine, []string{"verify", "--read-data"}, "1 block: 149 KiB are read, 0 damaged, 0 missing\n"},
		{exitPartial, []string{"diff", "-o", "json"}, `"same": 1,`},
		{exitFine, []string{"run"}, "archived 2 blocks, 298 KiB; 0 covered by archived ones, 0 failed\n"},
		{exitFine, []string{"diff"}, "3 archived as they are, 0 covered by archived ones, 0 pending, 0 changed, 0 unfinished; 0 only in the archive\n"},
		{exitFine, []string{"verify", "--read-data"}, "3 blocks: 446 KiB are read, 0 damaged, 0 missing\n"},
	} {
		code, stdout, stderr := runCommand(t.Context(), append(append([]string{"archive"}, step.args...), at...)...)
		if code != step.code || !strings.Contains(stdout, step.want) {
			t.Fatalf("%q: exit code %d, %s%s", step.args, code, stdout, stderr)
		}
	}
	// The others end as soon, and say so.
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for _, args := range [][]string{{"verify", "--read-data"}, {"list"}, {"restore", "2056", "--yes", "--to", filepath.Join(dir, "restored")}, {"prune", "--keep", "1s", "--yes"}, {"search", "{ }"}} {
		flags := at
		if args[0] == "search" {
			flags = at[2:] // it asks the archive alone
		}
		code, _, stderr := runCommand(ended, append(append([]string{"archive"}, args...), flags...)...)
		if code == exitFine || !strings.Contains(stderr, "interrupted") {
			t.Errorf("%q: exit code %d, %s", args, code, stderr)
		}
	}
	if code, stdout, stderr := runCommand(t.Context(), append([]string{"archive", "verify", "--read-data"}, at...)...); code != exitFine || !strings.HasPrefix(stdout, "3 blocks") {
		t.Errorf("exit code %d, %s%s", code, stdout, stderr)
	}
}

func TestProgressText(t *testing.T) {
	p := archive.Progress{Blocks: 1, BlocksTotal: 4, Bytes: 10 << 20, BytesTotal: 100 << 20}
	for _, c := range []struct {
		name    string
		p       archive.Progress
		blocks  bool
		elapsed time.Duration
		want    string
	}{
		{"at the start", archive.Progress{BlocksTotal: 4, BytesTotal: 100 << 20}, false, time.Second, "archiving: 0 of 4 blocks, 0 B of 100 MiB"},
		{"under way", p, false, 2 * time.Second, "archiving: 1 of 4 blocks, 10 MiB of 100 MiB, 5.0 MiB/s, 18s left"},
		{"by blocks", p, true, 2 * time.Second, "archiving: 1 of 4 blocks, 1/s, 6s left"},
		{"more than was due", archive.Progress{Blocks: 5, BlocksTotal: 4, Bytes: 3, BytesTotal: 2}, false, time.Second, "archiving: 5 of 4 blocks, 3 B of 2 B, 3 B/s, 0s left"},
		{"no time at all", p, false, 0, "archiving: 1 of 4 blocks, 10 MiB of 100 MiB"},
	} {
		if got := progressText("archiving", c.p, c.blocks, c.elapsed); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

// TestProgressLine holds where and how often progress is shown, and that other
// lines do not mix with it.
func TestProgressLine(t *testing.T) {
	p := archive.Progress{BlocksTotal: 4, BytesTotal: 100 << 20}
	for _, c := range []struct {
		name     string
		terminal bool
		want     string
	}{
		{"terminal", true, clearLine + "archiving: 0 of 4 blocks, 0 B of 100 MiB" + clearLine + "a line\n"},
		{"file", false, "a line\narchiving: 0 of 4 blocks, 0 B of 100 MiB\n"},
	} {
		var out bytes.Buffer
		now := time.Unix(0, 0)
		a := &openedArchive{logLine: newProgressLine(&out, "")}
		a.logLine.terminal, a.logLine.now = c.terminal, func() time.Time { return now }
		l := a.progress("archiving", false)
		l.update(p) // too soon
		now = now.Add(redrawEvery)
		l.update(p)
		l.update(p) // too soon again
		l.Write([]byte("a line\n"))
		l.end()
		if now = now.Add(sayEvery); !c.terminal {
			l.update(p)
		}
		if out.String() != c.want {
			t.Errorf("%s: %q, want %q", c.name, out.String(), c.want)
		}
	}
}

func TestPurgesIn(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	for left, want := range map[time.Duration]string{
		-time.Second: "due", 0: "due", 59*time.Minute + 30*time.Second: "59m30s", 90 * time.Minute: "1h30m", 23*time.Hour + 59*time.Minute + 59*time.Second: "23h59m",
		75 * time.Hour: "3d3h",
	} {
		if got := purgesIn(archive.Block{PurgesAt: now.Add(left)}, now); got != want {
			t.Errorf("%s left: %q, want %q", left, got, want)
		}
	}
	if got := purgesIn(archive.Block{}, now); got != "-" {
		t.Errorf("not known: %q", got)
	}
}

func TestPointInTime(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Time{
		"":                          {},
		"24h":                       now.Add(-24 * time.Hour),
		"7d":                        now.Add(-7 * 24 * time.Hour),
		"2026-11-01T00:00:00Z":      time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC),
		"2026-11-01T02:00:00+02:00": time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC),
	} {
		if got, err := pointInTime("since", text, now); err != nil || !got.Equal(want) {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"-24h", "yesterday", "2026-11-01", "7"} {
		if got, err := pointInTime("since", text, now); err == nil {
			t.Errorf("%q: %v", text, got)
		}
	}
}

// TestShortID holds that the ids of a table tell its blocks apart.
func TestShortID(t *testing.T) {
	id := func(s string) archive.Block { return archive.Block{ID: s + strings.Repeat("0", 36-len(s))} }
	if n := shortID([]archive.Block{id("12345678"), id("22345678")}); n != 8 {
		t.Errorf("%d digits", n)
	}
	if n := shortID([]archive.Block{id("1234567890"), id("1234567891")}); n != 10 {
		t.Errorf("%d digits", n)
	}
	if n := shortID([]archive.Block{id("1"), id("1")}); n != 8 { // of two tenants
		t.Errorf("%d digits", n)
	}
}
