package torture

import (
	"io/fs"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"appliance/e2e/internal/harness"
	"appliance/e2e/internal/oracle"
)

const diskBytes = 3 << 30

// A moment is when the power fails. Its function returns when it has come, or
// false when it does not come for some seconds.
type moment struct {
	name  string
	await func(*testing.T, *harness.Appliance) bool
}

var moments = []moment{
	{"load", func(t *testing.T, _ *harness.Appliance) bool { within(t, 3*time.Second); return true }},
	{"block", awaitNew("blocks/@staging", "")},
	{"written", awaitNew("blocks/@staging", "lineage.json")}, // after its proof
	{"placed", awaitNew("blocks/single-tenant", "lineage.json")},
	{"release", awaitProof},
	{"commit", awaitNew("blocks/@commits", ".json")},
	{"merged", awaitMerge},
	{"purge", awaitPurge},
	{"archive", awaitNew("archive", "")},
	{"archived", awaitNew("archive", "manifest.json")},
}

// TestPowerCut lets the power of the disk fail that holds the spool, the blocks
// and the archive. An answer that comes once the cut has begun does not count:
// ext4 may tell a process that outlives the power that a sync succeeded
// although its journal is aborted.
func TestPowerCut(t *testing.T) {
	const perDisk = 20
	cuts := times(4, 200)
	for done := 0; done < cuts; done += perDisk {
		n := min(perDisk, cuts-done)
		t.Run("", func(t *testing.T) {
			d, o := newDisk(t, diskBytes), oracle.New(t, 200)
			dir := filepath.Join(d.mount, "data")
			o.Start(clients)
			reached := map[string]int{}
			for i := range n {
				a := harness.Launch(t, quick(t, dir, shortLived()))
				o.Target(a.IntakeURL())
				takes(t, a)
				o.Thaw()
				when := moments[phase(done+i, cuts)]
				if when.await(t, a) {
					reached[when.name]++
				} else {
					reached["at another time than "+when.name]++
				}
				within(t, 20*time.Millisecond)
				o.Freeze()
				below := harness.Descendants(t, a.Pid)
				d.cut(t)
				a.Signal(t, syscall.SIGKILL)
				gone(t, a, below)
				d.unmount(t)
				d.mountIt(t)
			}
			a := harness.Start(t, quick(t, dir, shortLived()))
			t.Logf("measured: %s: power cut at %v, answers %v", t.Name(), reached, o.Counts().Answers)
			judge(t, o, a, 2*time.Minute)
			a.Stop(t)
		})
	}
}

// shortLived lets blocks be purged as soon as the archive has them: the spans
// say that they happened when the oracle was made.
func shortLived() map[string]string { return map[string]string{"APPLIANCE_RETENTION": "1m"} }

// phase spreads cuts over the moments; with fewer cuts than moments it is load,
// placed, commit and purge.
func phase(i, cuts int) int {
	if cuts < len(moments) {
		return []int{0, 3, 5, 7}[i%4]
	}
	return i % len(moments)
}

// momentPatience is how long a moment may take to come: nothing is purged
// before it is a minute old.
const momentPatience = 90 * time.Second

// awaitNew waits until a file whose name ends like this comes into being below
// a part of the data directory.
func awaitNew(part, suffix string) func(*testing.T, *harness.Appliance) bool {
	return func(t *testing.T, a *harness.Appliance) bool {
		dir := filepath.Join(a.DataDir, part)
		had := files(dir, suffix)
		return comes(t, func() bool {
			for name := range files(dir, suffix) {
				if !had[name] {
					return true
				}
			}
			return false
		})
	}
}

// comes polls often, since what it waits for does not last.
func comes(t *testing.T, happened func() bool) bool {
	t.Helper()
	deadline := time.NewTimer(momentPatience)
	defer deadline.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !happened() {
		select {
		case <-deadline.C:
			return false
		case <-tick.C:
		}
	}
	return true
}

func files(dir, suffix string) map[string]bool {
	found := map[string]bool{}
	_ = filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() && strings.HasSuffix(path, suffix) {
			found[path] = true
		}
		return nil // what is gone meanwhile is not new
	})
	return found
}

// awaitProof waits until spans are proven that were not before: their records
// are just being released.
func awaitProof(t *testing.T, a *harness.Appliance) bool {
	return awaitMore(t, a, func(s harness.Status) int64 { return s.Ledger.Proven })
}

// awaitMerge waits until a merge has taken the place of its sources, whose
// files are just being removed.
func awaitMerge(t *testing.T, a *harness.Appliance) bool {
	return awaitMore(t, a, func(s harness.Status) int64 { return s.Store.Merges })
}

// awaitPurge waits until a block is gone that the archive has.
func awaitPurge(t *testing.T, a *harness.Appliance) bool {
	return awaitMore(t, a, func(s harness.Status) int64 { return s.Store.Deleted })
}

func awaitMore(t *testing.T, a *harness.Appliance, count func(harness.Status) int64) bool {
	before := int64(-1)
	return comes(t, func() bool {
		s, err := a.Status(t.Context())
		if err != nil {
			return false
		}
		if before < 0 {
			before = count(s)
		}
		return count(s) > before
	})
}
