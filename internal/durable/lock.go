//go:build unix

package durable

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// LockName is the file that Lock makes in a directory. It stays when the lock
// is given back: removing it would let two holders lock two files of that name.
const LockName = "lock"

// A Lock is the right of one process to change a directory. The kernel gives it
// back when the process ends, however it ends, and no child inherits it.
type Lock struct{ file *os.File }

// HeldError says that another process holds the lock of a directory.
type HeldError struct {
	Dir string
	PID int // 0 when the holder has not written it yet
}

func (e *HeldError) Error() string {
	if e.PID == 0 {
		return fmt.Sprintf("lock %s: another process holds it", e.Dir)
	}
	return fmt.Sprintf("lock %s: process %d holds it", e.Dir, e.PID)
}

// LockDir takes the lock of an existing directory, or returns a *HeldError.
func LockDir(dir string) (*Lock, error) {
	f, err := os.OpenFile(filepath.Join(dir, LockName), os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", dir, err)
	}
	if err := flock(f); err != nil {
		if errors.Is(err, unix.EWOULDBLOCK) {
			err = &HeldError{Dir: dir, PID: readPID(f)}
		} else {
			err = fmt.Errorf("lock %s: %w", dir, err)
		}
		return nil, errors.Join(err, f.Close())
	}
	// The pid only serves the message of HeldError: nothing is synced, and a
	// full disk is not a reason not to start.
	_ = writePID(f)
	return &Lock{file: f}, nil
}

// Unlock gives the lock back.
func (l *Lock) Unlock() error { return l.file.Close() }

func flock(f *os.File) error {
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

func writePID(f *os.File) error {
	if err := f.Truncate(0); err != nil {
		return err
	}
	_, err := f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	return err
}

func readPID(f *os.File) int {
	b := make([]byte, 20)
	n, _ := f.ReadAt(b, 0)
	pid, err := strconv.Atoi(strings.TrimSpace(string(b[:n])))
	if err != nil {
		return 0
	}
	return pid
}
