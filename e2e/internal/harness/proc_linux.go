package harness

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// Task names a process for good: a pid alone is given to another process later.
type Task struct {
	Pid     int
	Parent  int
	Start   uint64 // clock ticks after boot
	State   byte   // as in /proc/PID/stat, 'Z' for one that has ended and was not waited for
	Command string
}

func (k Task) String() string { return fmt.Sprintf("pid %d (%s)", k.Pid, k.Command) }

// Runs tells whether the process is still there and not just waiting to be reaped.
func (k Task) Runs() bool {
	now, err := readTask(k.Pid)
	return err == nil && now.Start == k.Start && now.State != 'Z' && now.State != 'X'
}

// Descendants lists the processes below pid.
func Descendants(t testing.TB, pid int) []Task {
	t.Helper()
	children := map[int][]Task{}
	for _, k := range tasks(t) {
		children[k.Parent] = append(children[k.Parent], k)
	}
	var below []Task
	for queue := []int{pid}; len(queue) > 0; queue = queue[1:] {
		for _, k := range children[queue[0]] {
			below = append(below, k)
			queue = append(queue, k.Pid)
		}
	}
	return below
}

// Mentioning lists the running processes with s somewhere in their command line.
func Mentioning(t testing.TB, s string) []Task {
	t.Helper()
	var found []Task
	for _, k := range tasks(t) {
		if k.State != 'Z' && strings.Contains(k.Command, s) {
			found = append(found, k)
		}
	}
	return found
}

func tasks(t testing.TB) []Task {
	t.Helper()
	entries, err := os.ReadDir("/proc")
	if err != nil {
		t.Fatalf("list processes: %v", err)
	}
	var all []Task
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		k, err := readTask(pid)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, errGone) {
			continue // it ended meanwhile
		}
		if err != nil {
			t.Fatalf("read process %d: %v", pid, err)
		}
		all = append(all, k)
	}
	return all
}

var errGone = errors.New("process ended while it was read")

func readTask(pid int) (Task, error) {
	dir := filepath.Join("/proc", strconv.Itoa(pid))
	stat, err := os.ReadFile(filepath.Join(dir, "stat"))
	if err != nil {
		return Task{}, gone(err)
	}
	// The command in parentheses may itself have parentheses and blanks, so
	// fields count from the last one.
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(fields) < 20 {
		return Task{}, fmt.Errorf("parse %s/stat: %d fields", dir, len(fields))
	}
	parent, err := strconv.Atoi(fields[1])
	if err != nil {
		return Task{}, fmt.Errorf("parse %s/stat: %w", dir, err)
	}
	start, err := strconv.ParseUint(fields[19], 10, 64)
	if err != nil {
		return Task{}, fmt.Errorf("parse %s/stat: %w", dir, err)
	}
	command, err := os.ReadFile(filepath.Join(dir, "cmdline"))
	if err != nil {
		return Task{}, gone(err)
	}
	return Task{
		Pid: pid, Parent: parent, Start: start, State: fields[0][0],
		Command: strings.TrimSpace(strings.ReplaceAll(string(command), "\x00", " ")),
	}, nil
}

func gone(err error) error {
	if errors.Is(err, fs.ErrNotExist) || strings.Contains(err.Error(), "no such process") {
		return errGone
	}
	return err
}

// Memory is the RAM that a process has, and had at most, for itself: its
// program's code, which it shares with the page cache, is left out.
type Memory struct{ Resident, Peak uint64 } // bytes

// MemoryOf reads the memory of a running process.
func MemoryOf(t testing.TB, pid int) Memory {
	t.Helper()
	status, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "status"))
	if err != nil {
		t.Fatalf("read memory: %v", err)
	}
	var anonymous, file, peak uint64
	wanted := map[string]*uint64{"RssAnon": &anonymous, "RssFile": &file, "VmHWM": &peak}
	for line := range strings.Lines(string(status)) {
		key, value, _ := strings.Cut(line, ":")
		target := wanted[key]
		if target == nil {
			continue
		}
		kib, err := strconv.ParseUint(strings.Fields(value)[0], 10, 64)
		if err != nil {
			t.Fatalf("parse %s of process %d: %v", key, pid, err)
		}
		*target = kib << 10
	}
	if peak == 0 {
		t.Fatalf("process %d has no memory to read", pid)
	}
	return Memory{Resident: anonymous, Peak: peak - min(file, peak)}
}
