package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

//go:embed tempo.yaml
var tempoConfig string

// server is one of the two, running.
type server struct {
	url    string
	blocks string // directory
	cmd    *exec.Cmd
	ended  chan struct{}
}

func startAppliance(dir, bin string, env ...string) (*server, error) {
	read, err := freePort()
	if err != nil {
		return nil, err
	}
	data := filepath.Join(dir, "appliance")
	cmd := exec.Command(bin, "serve", "--data-dir", data)
	cmd.Env = append(plainEnv(), "APPLIANCE_HTTP_LISTEN="+read, "APPLIANCE_RECEIVER_LISTEN=127.0.0.1:0",
		"APPLIANCE_RECEIVER_GRPC_LISTEN=127.0.0.1:0", "APPLIANCE_RETENTION=876000h")
	cmd.Env = append(cmd.Env, env...)
	return start(cmd, read, filepath.Join(dir, "appliance.log"), blocksOf(dir, "appliance"))
}

func startTempo(dir, bin string) (*server, error) {
	values := map[string]string{"DIR": filepath.Join(dir, "tempo")}
	for _, name := range []string{"HTTP", "GRPC", "OTLP"} {
		addr, err := freePort()
		if err != nil {
			return nil, err
		}
		_, values[name], _ = net.SplitHostPort(addr)
	}
	config := filepath.Join(dir, "tempo.yaml")
	text := os.Expand(tempoConfig, func(name string) string { return values[name] })
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return nil, err
	}
	cmd := exec.Command(bin, "-config.file="+config)
	cmd.Env = plainEnv()
	return start(cmd, "127.0.0.1:"+values["HTTP"], filepath.Join(dir, "tempo.log"), blocksOf(dir, "tempo"))
}

// start starts a server and waits until it is ready.
func start(cmd *exec.Cmd, addr, log, blocks string) (*server, error) {
	f, err := os.Create(log)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	cmd.Stdout, cmd.Stderr = f, f
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	s := &server{url: "http://" + addr, blocks: blocks, cmd: cmd, ended: make(chan struct{})}
	go func() {
		_ = cmd.Wait() // how it ended is in ProcessState
		close(s.ended)
	}()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	for {
		resp, err := http.Get(s.url + "/ready")
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return s, nil
			}
			err = errors.New(resp.Status)
		}
		select {
		case <-s.ended:
			return nil, fmt.Errorf("%s ended: %s; see %s", cmd.Path, cmd.ProcessState, log)
		case <-ctx.Done():
			return nil, errors.Join(fmt.Errorf("%s is not ready: %w; see %s", cmd.Path, err, log), s.stop())
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// stop kills the server: a Tempo may hang when it is asked to end.
func (s *server) stop() error {
	err := s.cmd.Process.Kill()
	<-s.ended
	if errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("%s ended before its time: %s", s.cmd.Path, s.cmd.ProcessState)
	}
	return err
}

// cpu is the CPU time, user and system, of all threads, those that have ended too.
// The ticks of /proc/PID/stat are too coarse for a request; the clock of a process
// counts nanoseconds (clock_getcpuclockid(3); its number is that of glibc's).
func (s *server) cpu() (time.Duration, error) {
	const sched = 2
	var used unix.Timespec
	if err := unix.ClockGettime(int32(^s.cmd.Process.Pid)<<3|sched, &used); err != nil {
		return 0, fmt.Errorf("read CPU time of %s: %w", s.cmd.Path, err)
	}
	return time.Duration(used.Nano()), nil
}

// peak is the most memory that the process has had, in bytes.
func (s *server) peak() (int64, error) {
	status, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(s.cmd.Process.Pid), "status"))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(status)) {
		if value, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kib, err := strconv.ParseInt(strings.Fields(value)[0], 10, 64)
			return kib << 10, err
		}
	}
	return 0, errors.New("read memory: there is no VmHWM")
}

// plainEnv is the environment without what would tune a server behind the
// benchmark's back.
func plainEnv() (env []string) {
	for _, kv := range os.Environ() {
		switch key, _, _ := strings.Cut(kv, "="); {
		case strings.HasPrefix(key, "APPLIANCE_"), strings.HasPrefix(key, "OTEL_"), strings.HasPrefix(key, "JAEGER_"),
			key == "GOGC", key == "GOMEMLIMIT", key == "GOMAXPROCS", key == "GODEBUG":
		default:
			env = append(env, kv)
		}
	}
	return env
}

func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}
