package harness

import (
	"os/exec"
	"runtime"
	"syscall"
)

// spawned starts commands on one thread that lives as long as the test program:
// the kernel's "kill me when my parent dies" is bound to the thread that
// forked, so a command started from a passing thread would be killed when that
// thread ends.
var spawned = func() chan<- spawnRequest {
	requests := make(chan spawnRequest)
	go func() {
		runtime.LockOSThread()
		for r := range requests {
			r.started <- r.cmd.Start()
		}
	}()
	return requests
}()

type spawnRequest struct {
	cmd     *exec.Cmd
	started chan error
}

func spawn(cmd *exec.Cmd) error {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	r := spawnRequest{cmd: cmd, started: make(chan error, 1)}
	spawned <- r
	return <-r.started
}
