//go:build torture && linux

package spool

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

var cuts = flag.Int("cuts", 50, "how often the power is cut in TestPowerCutOnDisk")

// FS_IOC_SHUTDOWN (include/uapi/linux/fs.h) with NOLOGFLUSH: nothing that is
// not on the medium yet gets there.
const (
	fsIocShutdown    = 0x8004587d
	noLogFlush       = 2
	imageBytes       = 192 << 20
	tortureAppenders = 8
)

// volume is an ext4 filesystem in a file.
type volume struct{ image, mount string }

func newVolume(t *testing.T) *volume {
	t.Helper()
	dir := t.TempDir()
	v := &volume{filepath.Join(dir, "image"), filepath.Join(dir, "mnt")}
	must(t, os.Mkdir(v.mount, 0o755))
	f, err := os.Create(v.image)
	must(t, err)
	must(t, f.Truncate(imageBytes))
	must(t, f.Close())
	run(t, "mkfs.ext4", "-q", "-F", v.image)
	v.mountIt(t)
	t.Cleanup(func() { _ = exec.Command("umount", v.mount).Run() })
	return v
}

func (v *volume) mountIt(t *testing.T) {
	t.Helper()
	run(t, "mount", "-o", "loop", v.image, v.mount)
}

// cut is the power failing: what was not synced is lost.
func (v *volume) cut() error {
	d, err := os.Open(v.mount)
	if err != nil {
		return err
	}
	defer d.Close()
	return unix.IoctlSetPointerInt(int(d.Fd()), fsIocShutdown, noLogFlush)
}

func run(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %v: %v: %s", name, args, err, out)
	}
}

// The power fails at random times under a spool on a real filesystem: what was
// acknowledged is there when it comes back. Needs root, loop devices and ext4.
func TestPowerCutOnDisk(t *testing.T) {
	v := newVolume(t)
	rng := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 0))
	opts := Options{SegmentBytes: 16 << 10, MaxBytes: 64 << 20, CheckpointEvery: 5 * time.Millisecond}
	acked, released := map[int]Position{}, map[int]bool{}
	next, total, torn := 0, 0, int64(0)
	for cut := range *cuts {
		s, err := Open(filepath.Join(v.mount, "data", "spool"), opts)
		must(t, err)
		checkAfterCut(t, s, cut, acked, released)
		torn = s.Status().Torn.Times
		got, used := appendUntilCut(t, s, v, next, acked, released, time.Duration(rng.IntN(60_000))*time.Microsecond)
		total, next = total+got, used
		_ = s.Close()
		run(t, "umount", v.mount)
		v.mountIt(t)
	}
	t.Logf("%d cuts, %d records acknowledged, %d torn tails", *cuts, total, torn)
}

// appendUntilCut appends and releases from several goroutines until the power
// fails. It returns how many were acknowledged and the next unused number.
//
// What is acknowledged once the cut has begun does not count: a process that
// outlives the power can be told by ext4 that a sync succeeded although the
// journal is aborted already (seen with plain fdatasync on 6.18), but there is
// nobody left whom it could tell.
func appendUntilCut(t *testing.T, s *Spool, v *volume, next int, acked map[int]Position, released map[int]bool, after time.Duration) (got, used int) {
	t.Helper()
	var mu sync.Mutex
	var all sync.WaitGroup
	dark := false
	for range tortureAppenders {
		all.Go(func() {
			for {
				mu.Lock()
				n := next
				next++
				mu.Unlock()
				pos, err := s.Append(numbered(n))
				if err != nil {
					return
				}
				mu.Lock()
				if !dark {
					acked[n] = pos
					got++
				}
				if n%3 == 0 {
					released[n] = true
				}
				mu.Unlock()
				if n%3 == 0 {
					_ = s.Release(pos)
				}
			}
		})
	}
	cut := make(chan error)
	time.AfterFunc(after, func() {
		mu.Lock()
		dark = true
		mu.Unlock()
		cut <- v.cut()
	})
	must(t, <-cut)
	all.Wait()
	return got, next
}

func checkAfterCut(t *testing.T, s *Spool, cut int, acked map[int]Position, released map[int]bool) {
	t.Helper()
	_, at, err := pass(s)
	must(t, err)
	for n, pos := range acked {
		if at[n] != pos && !released[n] {
			t.Fatalf("cut %d: record %d was acknowledged at %s, and is at %s", cut, n, pos, at[n])
		}
	}
	if st := s.Status(); st.Lost.Records != 0 || st.UnreadableSegments != 0 {
		t.Fatalf("cut %d: a crash was taken for damage: %+v", cut, st)
	}
	var most []Position
	for n, pos := range at {
		if n%5 != 0 || len(at) > 2000 {
			most = append(most, pos)
			released[n] = true
		}
	}
	must(t, s.Release(most...))
}

// A disk of a few hundred kilobytes fills up and is freed again.
func TestFullDisk(t *testing.T) {
	mount := t.TempDir()
	run(t, "mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", mount)
	t.Cleanup(func() { run(t, "umount", mount) })
	s := open(t, filepath.Join(mount, "spool"), Options{SegmentBytes: 64 << 10})
	kept := 0
	for round := range 20 {
		for {
			if _, err := s.Append(numbered(kept)); err != nil {
				if !errors.Is(err, syscall.ENOSPC) {
					t.Fatal(err)
				}
				break
			}
			kept++
		}
		if got := len(mustPass(t, s)); round == 0 && got != kept {
			t.Fatalf("read %d of %d", got, kept)
		}
		for i, err := range s.Pending(Position{}) {
			must(t, err)
			_ = s.Release(i.Position) // the state file may not find room at first
		}
		if left := mustPass(t, s); len(left) != 0 {
			t.Fatalf("round %d: left %v", round, left)
		}
	}
	if st := s.Status(); st.Released.Records != int64(kept) || kept < 2000 {
		t.Errorf("kept %d, status %+v", kept, st)
	}
	fmt.Fprintln(t.Output(), kept, "records through a disk of 512 KiB")
}
