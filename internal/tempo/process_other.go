//go:build !linux

package tempo

import "syscall"

// childAttr gives the child a process group of its own. Where the kernel has no parent-death signal, the lifeline
// alone ends the child.
func childAttr() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
