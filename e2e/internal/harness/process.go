package harness

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// stopPatience is how long a process may take to end after SIGTERM. Tempo can take half of it.
const stopPatience = 30 * time.Second

// Process is a program that a test started.
type Process struct {
	Name string
	Pid  int

	cmd    *exec.Cmd
	output *tail
	ended  chan struct{} // closed once the process is reaped
}

// StartProcess starts a program whose life ends with the test at the latest.
func StartProcess(t testing.TB, name string, cmd *exec.Cmd) *Process {
	t.Helper()
	p := &Process{Name: name, cmd: cmd, output: &tail{limit: 1 << 20}, ended: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = p.output, p.output
	cmd.WaitDelay = time.Second // a grandchild that holds the pipe does not hold the test
	if err := spawn(cmd); err != nil {
		t.Fatalf("start %s: %v", name, err)
	}
	p.Pid = cmd.Process.Pid
	go func() {
		_ = cmd.Wait() // how it ended is in ProcessState
		close(p.ended)
	}()
	t.Cleanup(func() {
		p.Stop(t)
		if t.Failed() {
			t.Logf("%s (pid %d, %s) printed:\n%s", p.Name, p.Pid, p.cmd.ProcessState, p.output)
		}
	})
	return p
}

// Stop asks the process to end, and kills it when it does not. It fails the test when it had to.
func (p *Process) Stop(t testing.TB) {
	t.Helper()
	if !p.Alive() {
		return
	}
	p.Signal(t, syscall.SIGTERM)
	if p.endedWithin(stopPatience) {
		return
	}
	t.Errorf("%s (pid %d) still runs %s after SIGTERM", p.Name, p.Pid, stopPatience)
	p.Signal(t, syscall.SIGKILL)
	<-p.ended
}

// Signal sends a signal; a process that has ended meanwhile is no error.
func (p *Process) Signal(t testing.TB, sig os.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Errorf("send %v to %s: %v", sig, p.Name, err)
	}
}

// Alive tells whether the process has not been reaped yet.
func (p *Process) Alive() bool {
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// Ended is closed once the process is reaped.
func (p *Process) Ended() <-chan struct{} { return p.ended }

// ExitCode waits for the process to end by itself and returns its exit code, -1
// when a signal ended it.
func (p *Process) ExitCode(t testing.TB, within time.Duration) int {
	t.Helper()
	if !p.endedWithin(within) {
		t.Fatalf("%s (pid %d) still runs after %s", p.Name, p.Pid, within)
	}
	return p.cmd.ProcessState.ExitCode()
}

// Output is what the process has printed so far, stdout and stderr in the order
// of writing; the last mebibyte of it.
func (p *Process) Output() string { return p.output.String() }

func (p *Process) endedWithin(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-p.ended:
		return true
	case <-timer.C:
		return false
	}
}

// MustContain fails the test unless the output has one of the alternatives,
// whatever the case of the letters.
func MustContain(t testing.TB, output string, alternatives ...string) {
	t.Helper()
	lower := strings.ToLower(output)
	for _, a := range alternatives {
		if strings.Contains(lower, strings.ToLower(a)) {
			return
		}
	}
	t.Errorf("output has none of %s:\n%s", fmt.Sprintf("%q", alternatives), output)
}
