package tempo

import "syscall"

// childAttr gives the child a process group of its own, so that Ctrl-C reaches only us and we stop it in our order,
// and has the kernel kill it when we die.
func childAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
