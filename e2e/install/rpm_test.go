package install

import (
	"strings"
	"testing"
)

// TestRPM installs the rpm beside Debian's packages, in a database of its own,
// starts it and removes it. Debian has no useradd that rpm knows of, hence
// --nodeps.
func TestRPM(t *testing.T) {
	file, version := setting(t, "RPM"), setting(t, "VERSION")
	db := "--dbpath=" + t.TempDir()
	must(t, "rpm", db, "--initdb")
	must(t, "rpm", "--checksig", "--nosignature", file)
	if said := must(t, "rpm", "--query", "--requires", "--package", file); !strings.Contains(said, "/usr/sbin/useradd") {
		t.Errorf("requires:\n%s", said)
	}
	must(t, "rpm", db, "--install", "--nodeps", file)
	if said := must(t, "appliance", "--version"); !strings.Contains(said, version) {
		t.Errorf("appliance --version says %q", said)
	}
	if conf := must(t, "rpm", db, "--query", "--configfiles", "appliance"); strings.TrimSpace(conf) != confFile {
		t.Errorf("configuration files: %q", conf)
	}
	must(t, "systemd-analyze", "verify", unitFile)
	a := start(t)
	sent := map[string]int{}
	send(t, a, "by-rpm", sent)
	a.MustFind(t, sent)
	a.Stop(t)
	must(t, "rpm", db, "--erase", "--nodeps", "appliance")
	if exists("/usr/bin/appliance") {
		t.Error("/usr/bin/appliance is there after the removal")
	}
	if !exists(dataDir + "/spool") {
		t.Error("the removal has deleted traces")
	}
}
