package blockdir

import (
	"fmt"
	"math/rand/v2"
	"path"
	"testing"
	"time"

	"appliance/internal/durable/crashfs"
)

// The machine loses power at each step of Next: what Next had returned is there byte for byte, with its mark, and
// what it had not is found whole, or set aside, or removed before it was finished.
func TestPowerCutAtEachStep(t *testing.T) {
	content := files(t)
	blocks := [][2]string{{"a", first}, {"b", second}}
	for step := 1; ; step++ {
		over := false
		for _, mode := range []crashfs.Mode{crashfs.LoseAll, crashfs.KeepAll, crashfs.Scramble, crashfs.Garbage} {
			for seed := range uint64(2) {
				over = powerCut(t, step, mode, rand.New(rand.NewPCG(uint64(step), seed)), blocks, content)
				if t.Failed() {
					return
				}
				if mode == crashfs.LoseAll || mode == crashfs.KeepAll {
					break
				}
			}
		}
		if over {
			t.Logf("%d steps", step-1)
			return
		}
	}
}

func powerCut(t *testing.T, step int, mode crashfs.Mode, rng *rand.Rand, blocks [][2]string, content map[string][]byte) (over bool) {
	fsys := crashfs.New()
	d := ready(t, fsys)
	for _, b := range blocks {
		must(t, write(fsys, b[0], b[1], content))
	}
	fsys.CrashAt(fsys.Steps() + step)
	returned, err := d.Next(t.Context())
	over = err == nil
	after := fsys.PowerCut(mode, rng)
	at := fmt.Sprintf("step %d, mode %d", step, mode)
	for _, b := range returned {
		if err := same(after, path.Join(root, "blocks", b.Tenant, b.ID), content); err != nil {
			t.Errorf("%s: block %s of %s was returned: %v", at, b.ID, b.Tenant, err)
		}
		if !exists(after, path.Join(root, "sealed", b.Tenant, b.ID)) {
			t.Errorf("%s: block %s of %s was returned without a mark", at, b.ID, b.Tenant)
		}
	}
	if over && len(returned) != len(blocks) {
		t.Errorf("%s: %d of %d blocks were returned", at, len(returned), len(blocks))
	}
	// The next run.
	next := newDir(after)
	r, err := next.Recover(time.Time{})
	if err != nil {
		t.Errorf("%s: Recover: %v", at, err)
		return over
	}
	found, err := next.Next(t.Context())
	if err != nil || len(found) != r.Blocks || len(found) < len(returned) {
		t.Errorf("%s: %d blocks were returned before, %d are in place, %d are returned after: %v", at, len(returned), r.Blocks, len(found), err)
	}
	for _, b := range found {
		if err := same(after, path.Join(root, "blocks", b.Tenant, b.ID), content); err != nil {
			t.Errorf("%s: the next run returned block %s of %s: %v", at, b.ID, b.Tenant, err)
		}
	}
	return over
}

// A power cut while Tempo writes, at each of its steps and in the middle of Recover, costs no block that was returned.
func TestPowerCutWhileTempoWrites(t *testing.T) {
	content := files(t)
	for seed := range uint64(25) {
		rng := rand.New(rand.NewPCG(seed, 9))
		fsys := crashfs.New()
		d := ready(t, fsys)
		must(t, write(fsys, "a", first, content))
		if got := ids(t, d); len(got) != 1 {
			t.Fatal(got)
		}
		fsys.CrashAt(fsys.Steps() + 1 + rng.IntN(12))
		_ = write(fsys, "a", second, content) // the crash, or not
		after := fsys.PowerCut(crashfs.Garbage, rng)
		after.CrashAt(after.Steps() + 1 + rng.IntN(12))
		_, _ = newDir(after).Recover(time.Time{}) // the next crash, or not
		after = after.PowerCut(crashfs.Scramble, rng)
		next := newDir(after)
		recovered(t, next)
		found := ids(t, next)
		if len(found) == 0 || found[0] != "a/"+first {
			t.Fatalf("seed %d: the block that was returned before is gone: %v", seed, found)
		}
		for _, b := range found {
			if err := same(after, path.Join(root, "blocks", b), content); err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
		}
	}
}
