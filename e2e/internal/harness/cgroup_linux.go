package harness

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// NewMemoryCgroup makes a control group whose processes may have limit bytes together, and returns its cgroup.procs file: a process that
// writes its pid there belongs to it. The kernel kills what wants more.
func NewMemoryCgroup(t testing.TB, limit int64) (procs string) {
	t.Helper()
	const v1, v2 = "/sys/fs/cgroup/memory", "/sys/fs/cgroup"
	parent, file := v1, "memory.limit_in_bytes"
	if _, err := os.Stat(v1); err != nil {
		parent, file = v2, "memory.max"
	}
	dir, err := os.MkdirTemp(parent, "appliance-e2e-")
	if err != nil {
		t.Fatalf("make a memory cgroup (this test needs to be root): %v", err)
	}
	t.Cleanup(func() {
		// The group is busy until its last process is reaped.
		Eventually(t, 10*time.Second, "cgroup removed", func() error { return os.Remove(dir) })
	})
	if err := os.WriteFile(filepath.Join(dir, file), []byte(strconv.FormatInt(limit, 10)), 0o600); err != nil {
		t.Fatalf("limit a memory cgroup: %v", err)
	}
	return filepath.Join(dir, "cgroup.procs")
}
