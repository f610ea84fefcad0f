package archive

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"appliance/archive/store"
	"appliance/internal/durable"
)

// TestKilledProcess is the process that TestKill kills: it archives and purges
// everything, and dies by SIGKILL at the step that the environment names.
func TestKilledProcess(t *testing.T) {
	src, dst := os.Getenv("ARCHIVE_KILL_SOURCE"), os.Getenv("ARCHIVE_KILL_STORE")
	if src == "" {
		return // not started by TestKill
	}
	at, err := strconv.Atoi(os.Getenv("ARCHIVE_KILL_AT"))
	must(t, err)
	steps := 0
	step := func(op, name string) error {
		// Looks, and what is written down now and then, come as often as time
		// passes: with them a step's number would mean another one in each
		// process.
		if op == "open" || op == "list" || strings.HasSuffix(op, "replace") {
			return nil
		}
		if steps++; steps == at {
			fmt.Printf("killed at: %s %s\n", op, filepath.Base(name))
			return syscall.Kill(os.Getpid(), syscall.SIGKILL)
		}
		return nil
	}
	s, err := store.Open(t.Context(), "file://"+dst, store.Options{})
	must(t, err)
	source, err := OpenSource(t.Context(), "file://"+src, nil)
	must(t, err)
	start := time.Now()
	a, err := New(Options{
		Store: &faultyStore{s, step}, Source: source, Interval: time.Millisecond,
		Embedded: &Embedded{Retention: time.Millisecond, Delete: deleter(&killedFS{durable.OS, step}, src)},
		wall:     func() time.Time { return theTime.Add(time.Since(start)) },
	})
	must(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	go func() {
		look := time.NewTicker(5 * time.Millisecond)
		defer look.Stop()
		for range look.C {
			if ctx.Err() != nil {
				return
			}
			if entries, err := os.ReadDir(filepath.Join(src, tenant)); err == nil && len(entries) == 0 {
				cancel()
			}
		}
	}()
	must(t, a.Run(ctx))
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		t.Fatalf("not finished: %+v, %+v", a.Status(), a.Status().Purge)
	}
	fmt.Println("finished")
}

// killedFS has a step after each call as well as before it.
type killedFS struct {
	durable.FS
	step func(op, name string) error
}

func (f *killedFS) Rename(from, to string) error {
	return errors.Join(f.step("before rename", from), f.FS.Rename(from, to), f.step("after rename", from))
}

func (f *killedFS) Remove(name string) error {
	if err := f.step("before remove", name); err != nil {
		return err
	}
	return f.FS.Remove(name)
}

// TestKill kills the archiver at every step that changes the store or the
// source: before and after each file of the copy, before and after the
// manifest, before and after the block is taken out of the source, amid the
// removal of its files. After each kill every block is whole in the source or
// whole in the archive, and the next process finishes the work.
func TestKill(t *testing.T) {
	t.Parallel()
	if os.Getenv("ARCHIVE_KILL_SOURCE") != "" {
		return
	}
	seen := map[string]bool{}
	two := levelZero[:2] // more would only repeat the same steps
	for at := 1; ; at++ {
		b := newBench(t, embeddedDir(t))
		must(t, os.RemoveAll(filepath.Join(b.src, tenant, levelZero[2])))
		before := tree(t, b.src, nil)
		out, err := runKilled(t, b, at)
		if strings.Contains(out, "finished") {
			if at < 30 {
				t.Errorf("only %d steps", at)
			}
			must(t, err)
			break
		}
		where := strings.TrimSpace(out[strings.Index(out, "killed at: ")+1:])
		seen[strings.SplitN(where, "\n", 2)[0]] = true
		nothingLost(t, b, before, where)
		if out, err := runKilled(t, b, 0); err != nil || !strings.Contains(out, "finished") {
			t.Fatalf("after %s: %v\n%s", where, err, out)
		}
		b.whole(two...)
		if blocks := b.list(Filter{}); len(blocks) != 2 {
			t.Errorf("after %s: %d blocks are listed", where, len(blocks))
		}
		if t.Failed() {
			t.Fatalf("killed %s", where)
		}
	}
	for _, stage := range []string{"put data.parquet", "did put data.parquet", "put meta.json", "did put meta.json", "put manifest.json", "did put manifest.json",
		"before rename " + blockA, "after rename " + blockA, "before remove data.parquet", "before remove meta.json", "before remove deleted-" + blockA} {
		found := false
		for where := range seen {
			found = found || strings.HasSuffix(where, ": "+stage)
		}
		if !found {
			t.Errorf("no kill at %q", stage)
		}
	}
}

func runKilled(t *testing.T, b *bench, at int) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestKilledProcess$", "-test.v")
	cmd.Env = append(os.Environ(), "ARCHIVE_KILL_SOURCE="+b.src, "ARCHIVE_KILL_STORE="+b.dst, fmt.Sprintf("ARCHIVE_KILL_AT=%d", at))
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// nothingLost fails unless each block is whole in the source, or archived with
// every byte right and gone from the source.
func nothingLost(t *testing.T, b *bench, before map[string]string, where string) {
	t.Helper()
	now := tree(t, b.src, nil)
	rep := b.verify()
	if rep.Damaged() {
		t.Errorf("%s: %+v", where, rep)
	}
	for _, id := range levelZero[:2] {
		whole := true
		for name, sum := range before {
			if !strings.Contains(name, id) {
				continue
			}
			whole = whole && now[name] == sum
		}
		if whole {
			continue
		}
		m, err := ReadManifest(t.Context(), b.store, tenant, id)
		if err != nil {
			t.Errorf("%s: block %s is neither whole nor archived: %v", where, id, err)
			continue
		}
		for name, sum := range before {
			if !strings.Contains(name, id) || filepath.Base(name) == lineageName {
				continue
			}
			if f, ok := m.File(filepath.Base(name)); !ok || f.SHA256 != sum {
				t.Errorf("%s: %s is archived with other bytes", where, name)
			}
		}
		if _, err := os.Stat(filepath.Join(b.src, tenant, id)); err == nil {
			t.Errorf("%s: block %s looks whole, and is not", where, id)
		}
	}
}
