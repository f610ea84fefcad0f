package harness

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Cgroup is a control group.
type Cgroup struct{ dirs []string } // the first is the one that limits memory

// NewMemoryCgroup makes a control group whose processes may have limit bytes
// together. The kernel kills what wants more.
func NewMemoryCgroup(t testing.TB, limit int64) *Cgroup {
	t.Helper()
	g := &Cgroup{}
	bytes := strconv.FormatInt(limit, 10)
	if cgroupsAreV1() {
		g.make(t, "/sys/fs/cgroup/memory", "memory.limit_in_bytes", bytes)
	} else {
		g.make(t, "/sys/fs/cgroup", "memory.max", bytes)
	}
	return g
}

// PreferCPU gives the group's processes the CPU before all others, as if those
// were on another machine.
func (g *Cgroup) PreferCPU(t testing.TB) {
	t.Helper()
	if cgroupsAreV1() {
		g.make(t, "/sys/fs/cgroup/cpu", "cpu.shares", "262144")
	} else {
		g.set(t, g.dirs[0], "cpu.weight", "10000")
	}
}

// PeakMemory is the most that the group had, page cache included, in bytes.
func (g *Cgroup) PeakMemory(t testing.TB) int64 {
	t.Helper()
	file := "memory.peak"
	if cgroupsAreV1() {
		file = "memory.max_usage_in_bytes"
	}
	text, err := os.ReadFile(filepath.Join(g.dirs[0], file))
	if err != nil {
		t.Fatalf("read the memory of a control group: %v", err)
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	if err != nil {
		t.Fatalf("read the memory of a control group: %v", err)
	}
	return n
}

func cgroupsAreV1() bool {
	_, err := os.Stat("/sys/fs/cgroup/memory")
	return err == nil
}

func (g *Cgroup) make(t testing.TB, parent, file, value string) {
	t.Helper()
	dir, err := os.MkdirTemp(parent, "appliance-e2e-")
	if err != nil {
		t.Fatalf("make a control group (this test needs to be root): %v", err)
	}
	t.Cleanup(func() {
		// The group is busy until its last process is reaped.
		Eventually(t, 10*time.Second, "control group removed", func() error { return os.Remove(dir) })
	})
	g.dirs = append(g.dirs, dir)
	g.set(t, dir, file, value)
}

func (g *Cgroup) set(t testing.TB, dir, file, value string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, file), []byte(value), 0o600); err != nil {
		t.Fatalf("set up a control group: %v", err)
	}
}

// run is the command, run in the group: it has to be there before it has any memory.
func (g *Cgroup) run(command []string) []string {
	sh := []string{"/bin/sh", "-c", `until [ "$1" = -- ]; do echo $$ >"$1/cgroup.procs" || exit; shift; done; shift; exec "$@"`, "sh"}
	return slices.Concat(sh, g.dirs, []string{"--"}, command)
}
