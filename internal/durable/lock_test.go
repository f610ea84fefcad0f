//go:build unix

package durable_test

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"appliance/internal/durable"
)

// TestMain is also the process that holds a lock until it is killed.
func TestMain(m *testing.M) {
	dir := os.Getenv("LOCK_DIR")
	if dir == "" {
		os.Exit(m.Run())
	}
	_, err := durable.LockDir(dir)
	fmt.Println(err)
	_, _ = bufio.NewReader(os.Stdin).ReadString('\n')
}

func TestLockNamesItsHolder(t *testing.T) {
	dir := t.TempDir()
	holder := exec.Command(os.Args[0])
	holder.Env = append(os.Environ(), "LOCK_DIR="+dir)
	in, err := holder.StdinPipe()
	must(t, err)
	defer in.Close()
	out, err := holder.StdoutPipe()
	must(t, err)
	must(t, holder.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || line != "<nil>\n" {
		t.Fatalf("holder: %q, %v", line, err)
	}

	_, err = durable.LockDir(dir)
	var held *durable.HeldError
	if !errors.As(err, &held) || held.PID != holder.Process.Pid {
		t.Fatalf("want the pid %d, got %v", holder.Process.Pid, err)
	}
	if want := fmt.Sprintf("process %d holds it", held.PID); !strings.Contains(err.Error(), want) {
		t.Errorf("%q does not say %q", err, want)
	}

	must(t, holder.Process.Kill())
	_ = holder.Wait()
	lock, err := durable.LockDir(dir)
	must(t, err)
	if _, err := durable.LockDir(dir); !errors.As(err, &held) || held.PID != os.Getpid() {
		t.Errorf("locked twice in one process: %v", err)
	}
	must(t, lock.Unlock())
	lock, err = durable.LockDir(dir)
	must(t, err)
	must(t, lock.Unlock())
}

func TestLockWithoutDirectory(t *testing.T) {
	if _, err := durable.LockDir(t.TempDir() + "/missing"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}
