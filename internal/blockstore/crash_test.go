package blockstore

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"appliance/internal/durable/crashfs"
)

const crashPoints = 12 // of each kind

// crashes are how a life ends.
var crashes = map[string]func(*crashfs.FS, *rand.Rand) *crashfs.FS{
	"kill":      func(f *crashfs.FS, _ *rand.Rand) *crashfs.FS { return f.Kill() },
	"power cut": func(f *crashfs.FS, r *rand.Rand) *crashfs.FS { return f.PowerCut(crashfs.Scramble, r) },
}

// TestCrash ends the machine or the process at one step after the other, and
// counts what the next start finds: each span that was acknowledged, once.
func TestCrash(t *testing.T) {
	for name, end := range crashes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			steps := 0 // of a life without a crash
			synctest.Test(t, func(t *testing.T) { steps = oneLife(t, newOracle(1), crashfs.New(), 0) })
			for i := range crashPoints {
				at := 1 + (steps-1)*i/(crashPoints-1)
				t.Run(fmt.Sprint("at step ", at), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						o, rng := newOracle(uint64(i)), rand.New(rand.NewPCG(uint64(i), 2))
						disk := crashfs.New()
						oneLife(t, o, disk, at)
						disk = end(disk, rng)
						// and once more, in what it mends
						oneLife(t, o, disk, disk.Steps()+1+rng.IntN(steps))
						disk = end(disk, rng)
						s := start(t, "/", disk)
						defer s.stop()
						synctest.Wait() // until all that is in the spool is live
						o.check(t, s.Store, "a")
						if err := s.Drain(background); err != nil {
							t.Fatal(err)
						}
						o.check(t, s.Store, "a")
						time.Sleep(3 * time.Minute)
						synctest.Wait()
						o.check(t, s.Store, "a")
						noCommits(t, disk)
					})
				})
			}
		})
	}
}

// noCommits says whether anything of a commit is left.
func noCommits(t *testing.T, disk *crashfs.FS) {
	t.Helper()
	left, err := disk.ReadDir("/blocks/" + commitsName)
	if err != nil || len(left) > 0 {
		t.Errorf("of commits %v are left, error %v", left, err)
	}
}

// oneLife runs a store on a disk, up to a step of it, 0 for its whole life, and
// returns how many steps it took.
func oneLife(t *testing.T, o *oracle, disk *crashfs.FS, crashAt int) int {
	t.Helper()
	disk.CrashAt(crashAt)
	sp, s, err := tryOpen("/", disk)
	if err != nil {
		return disk.Steps() // it crashed that early
	}
	ctx, cancel := context.WithCancel(background)
	done := make(chan error)
	go func() { done <- s.Run(ctx) }()
	for range 60 {
		if o.append(sp, "a") != nil {
			break
		}
		time.Sleep(3 * time.Second)
	}
	time.Sleep(2 * time.Minute)
	synctest.Wait()
	cancel()
	<-done
	_ = sp.Close() // fails where the machine has crashed
	return disk.Steps()
}
