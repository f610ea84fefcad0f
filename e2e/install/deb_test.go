package install

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"appliance/e2e/internal/harness"
)

// TestDeb installs the package, upgrades it, goes back, removes it, purges it
// and installs it again. What was acknowledged is found at every step, and
// counted.
func TestDeb(t *testing.T) {
	deb, next := setting(t, "DEB"), setting(t, "DEB_NEXT")
	version, nextVersion := setting(t, "VERSION"), setting(t, "VERSION_NEXT")
	// As where no administrator is there to answer.
	t.Setenv("DEBIAN_FRONTEND", "noninteractive")
	// Without the index of all man pages, which takes longer than everything here.
	if err := os.Remove("/var/lib/man-db/auto-update"); err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}

	must(t, "dpkg", "--install", deb)
	checkInstalled(t, version)
	a := start(t)
	sent := map[string]int{}
	send(t, a, "installed", sent)
	a.MustFind(t, sent)
	a.Stop(t)

	edited := edit(t, confFile, "retention: 48h\n")
	must(t, "dpkg", "--install", next)
	checkContent(t, confFile, edited)
	a = start(t)
	checkVersion(t, a, nextVersion)
	a.MustFind(t, sent)
	send(t, a, "upgraded", sent)
	a.Stop(t)

	// One version back, of the same format.
	if said := must(t, "dpkg", "--install", deb); !strings.Contains(said, "downgrading appliance from "+nextVersion) {
		t.Errorf("dpkg did not go back:\n%s", said)
	}
	checkContent(t, confFile, edited)
	a = start(t)
	checkVersion(t, a, version)
	a.MustFind(t, sent)
	kept := int64(0)
	for _, spans := range sent {
		kept += int64(spans)
	}
	if l := a.Account(t); l.Kept != kept {
		t.Errorf("%d spans are kept, %d were sent", l.Kept, kept)
	}
	a.Stop(t)
	refusesLaterFormat(t)

	must(t, "dpkg", "--remove", "appliance")
	for _, gone := range []string{"/usr/bin/appliance", unitFile} {
		if exists(gone) {
			t.Errorf("%s is there after the removal", gone)
		}
	}
	checkContent(t, confFile, edited)
	if said := must(t, "dpkg", "--purge", "appliance"); !strings.Contains(said, "the traces stay") {
		t.Errorf("the purge does not say that the traces stay:\n%s", said)
	}
	if exists(confFile) {
		t.Errorf("%s is there after the purge", confFile)
	}
	if !exists(filepath.Join(dataDir, "spool")) {
		t.Error("the purge has deleted traces")
	}

	must(t, "dpkg", "--install", deb)
	a = start(t)
	a.MustFind(t, sent)
	a.Stop(t)
}

// checkInstalled looks at what a fresh installation has made.
func checkInstalled(t *testing.T, version string) {
	t.Helper()
	if said := must(t, "appliance", "--version"); !strings.Contains(said, version) {
		t.Errorf("appliance --version says %q", said)
	}
	must(t, "systemd-analyze", "verify", unitFile)
	info, err := os.Stat(dataDir)
	if err != nil || info.Mode().Perm() != 0o750 {
		t.Errorf("%s: %v, %v", dataDir, info, err)
	}
	for _, path := range []string{
		"/usr/share/man/man1/appliance-archive-verify.1.gz",
		"/usr/share/bash-completion/completions/appliance",
		"/usr/share/zsh/vendor-completions/_appliance",
		"/usr/share/fish/vendor_completions.d/appliance.fish",
		"/usr/share/doc/appliance/LICENSE",
		"/etc/systemd/system/multi-user.target.wants/appliance.service", // enabled
	} {
		if !exists(path) {
			t.Errorf("%s is missing", path)
		}
	}
	if out := must(t, "dpkg-query", "--show", "--showformat=${Conffiles}", "appliance"); !strings.Contains(out, confFile) {
		t.Errorf("conffiles: %q", out)
	}
	if left := must(t, "dpkg", "--verify", "appliance"); left != "" {
		t.Errorf("dpkg --verify: %s", left)
	}
	c := asService(t, []string{"/usr/bin/appliance", "config", "validate", confFile})
	if out, err := c.CombinedOutput(); err != nil {
		t.Errorf("config validate: %v\n%s", err, out)
	}
}

// refusesLaterFormat says that a version refuses what a later one has written, and leaves it alone.
func refusesLaterFormat(t *testing.T) {
	t.Helper()
	note := filepath.Join(dataDir, "format")
	mine, err := os.ReadFile(note)
	if err != nil {
		t.Fatal(err)
	}
	later := `{"format":99,"version":"9.9.9"}` + "\n"
	if err := os.WriteFile(note, []byte(later), 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := asService(t, strings.Fields(unit(t)["ExecStart"])).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "start version 9.9.9 or a later one") {
		t.Errorf("a later format: %v\n%s", err, out)
	}
	checkContent(t, note, later)
	if err := os.WriteFile(note, mine, 0o644); err != nil {
		t.Fatal(err)
	}
}

func send(t *testing.T, a *harness.Appliance, service string, sent map[string]int) {
	t.Helper()
	const traces, spansEach = 3, 4
	request, ids := harness.NewRequest(service, traces, spansEach)
	answer, err := a.Export(t.Context(), request)
	if err != nil || answer.Status != 200 {
		t.Fatalf("export: %+v, %v", answer, err)
	}
	for _, id := range ids {
		sent[id] = spansEach
	}
}

func checkVersion(t *testing.T, a *harness.Appliance, want string) {
	t.Helper()
	out := must(t, "appliance", "status", "--url", "http://"+a.Read)
	if !strings.Contains(out, " "+want+", up ") {
		t.Errorf("not version %s:\n%s", want, out)
	}
}

// edit appends to a file, as an administrator would, and returns what it has then.
func edit(t *testing.T, path, line string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err == nil {
		err = os.WriteFile(path, fmt.Appendf(text, "\n%s", line), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	return string(text) + "\n" + line
}

func checkContent(t *testing.T, path, want string) {
	t.Helper()
	if got, err := os.ReadFile(path); err != nil || string(got) != want {
		t.Errorf("%s: %v, %q; want %q", path, err, got, want)
	}
}
