package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// ticksPerSecond is the unit of CPU time in /proc on Linux, whatever the kernel's own.
const ticksPerSecond = 100

// process is a server under measurement.
type process struct {
	cmd   *exec.Cmd
	log   *os.File
	ended chan struct{}
}

// startProcess starts a server that dies with the benchmark. Only the main goroutine calls it.
func startProcess(name, dir string, env []string, command ...string) (*process, error) {
	if err := uncache(command[0]); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	log, err := os.Create(filepath.Join(dir, name+".log"))
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Env = append(plainEnv(), env...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("start %s: %w", name, err), log.Close())
	}
	p := &process{cmd: cmd, log: log, ended: make(chan struct{})}
	go func() {
		_ = cmd.Wait() // how it ended is in ProcessState
		close(p.ended)
	}()
	return p, nil
}

// uncache lets a program be read from the disk as after a boot. Just built, it
// is in the page cache in pieces of up to 2 MiB, each of which newer kernels
// count as resident as a whole once a byte of it is used.
func uncache(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	// What is not on the disk yet is not dropped.
	return errors.Join(f.Sync(), unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED))
}

// plainEnv is the environment without what would tune a server behind the benchmark's back.
func plainEnv() []string {
	var env []string
	for _, kv := range os.Environ() {
		if key, _, _ := strings.Cut(kv, "="); !strings.HasPrefix(key, "APPLIANCE_") && !strings.HasPrefix(key, "OTEL_") &&
			!strings.HasPrefix(key, "JAEGER_") && key != "GOGC" && key != "GOMEMLIMIT" && key != "GOMAXPROCS" && key != "GODEBUG" {
			env = append(env, kv)
		}
	}
	return env
}

// stop ends the process and returns once it is gone.
func (p *process) stop() error {
	defer p.log.Close()
	select {
	case <-p.ended:
		return fmt.Errorf("%s ended before its time: %s\n%s", filepath.Base(p.cmd.Path), p.cmd.ProcessState, p.tail())
	default:
	}
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-p.ended:
		return nil
	case <-time.After(10 * time.Second):
	}
	err := p.cmd.Process.Kill()
	<-p.ended
	return errors.Join(fmt.Errorf("%s had to be killed", filepath.Base(p.cmd.Path)), err)
}

func (p *process) tail() []byte {
	b, err := os.ReadFile(p.log.Name())
	if err != nil {
		return []byte(err.Error())
	}
	return b[max(0, len(b)-2000):]
}

// cpu is the CPU time, user and system, that the process has used.
func (p *process) cpu() (time.Duration, error) {
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(p.cmd.Process.Pid), "stat"))
	if err != nil {
		return 0, fmt.Errorf("read CPU time: %w", err)
	}
	// Fields count from the last parenthesis, since the command's name may have
	// some; utime and stime are the 14th and 15th of all.
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	var ticks int64
	for _, i := range []int{11, 12} {
		n, err := strconv.ParseInt(fields[i], 10, 64)
		if err != nil {
			return 0, fmt.Errorf("read CPU time: %w", err)
		}
		ticks += n
	}
	return time.Duration(ticks) * time.Second / ticksPerSecond, nil
}

// forgetPeak lets peakMemory begin anew. What starting takes is given back
// before there is work, and is shown apart.
func (p *process) forgetPeak() error {
	const resetPeak = "5" // proc(5), /proc/pid/clear_refs
	path := filepath.Join("/proc", strconv.Itoa(p.cmd.Process.Pid), "clear_refs")
	if err := os.WriteFile(path, []byte(resetPeak), 0); err != nil {
		return fmt.Errorf("reset peak memory: %w", err)
	}
	return nil
}

// peakMemory is the most RAM that the process has had, in bytes.
func (p *process) peakMemory() (int64, error) {
	status, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(p.cmd.Process.Pid), "status"))
	if err != nil {
		return 0, fmt.Errorf("read memory: %w", err)
	}
	for line := range strings.Lines(string(status)) {
		if value, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kib, err := strconv.ParseInt(strings.Fields(value)[0], 10, 64)
			if err != nil {
				return 0, fmt.Errorf("read memory: %w", err)
			}
			return kib << 10, nil
		}
	}
	return 0, errors.New("read memory: no VmHWM")
}

// waitFor returns once something listens at addr.
func (p *process) waitFor(ctx context.Context, addr string) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		c, err := net.DialTimeout("tcp", addr, time.Second)
		if err == nil {
			return c.Close()
		}
		select {
		case <-p.ended:
			return fmt.Errorf("%s ended: %s\n%s", filepath.Base(p.cmd.Path), p.cmd.ProcessState, p.tail())
		case <-ctx.Done():
			return fmt.Errorf("wait for %s at %s: %w\n%s", filepath.Base(p.cmd.Path), addr, err, p.tail())
		case <-tick.C:
		}
	}
}

func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}
