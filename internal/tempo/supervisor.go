package tempo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Supervisor keeps one child running.
type Supervisor struct {
	command     []string // executable and arguments; the configuration file's path is added
	settings    Settings
	memoryLimit int64
	stopWithin  time.Duration
	logger      *slog.Logger

	restarts atomic.Int64
	liveHeap atomic.Int64 // bytes

	mu      sync.Mutex
	state   State
	changed chan struct{} // closed and replaced when state changes
}

// State of the child at one moment.
type State struct {
	PID   int  // 0 while none runs
	Ready bool // a trace can be written and read
	Ports Ports
	Since time.Time // of the last change
	Err   error     // why the last child ended, nil before that
}

// OTLP is the base URL that takes /v1/traces.
func (s State) OTLP() string { return fmt.Sprintf("http://127.0.0.1:%d", s.Ports.OTLP) }

// HTTP is the base URL of Tempo's HTTP API.
func (s State) HTTP() string { return fmt.Sprintf("http://127.0.0.1:%d", s.Ports.HTTP) }

// GRPC is the address of Tempo's gRPC API.
func (s State) GRPC() string { return fmt.Sprintf("127.0.0.1:%d", s.Ports.GRPC) }

// Options of a Supervisor.
type Options struct {
	Command     []string // what to execute, such as /proc/self/exe tempo
	Settings    Settings
	MemoryLimit int64         // GOMEMLIMIT, bytes
	StopWithin  time.Duration // time for an orderly stop before SIGKILL
	Logger      *slog.Logger
}

// NewSupervisor makes a Supervisor; Run starts the child.
func NewSupervisor(o Options) *Supervisor {
	if o.StopWithin == 0 {
		o.StopWithin = 20 * time.Second
	}
	return &Supervisor{
		command: o.Command, settings: o.Settings, memoryLimit: o.MemoryLimit, stopWithin: o.StopWithin,
		logger: o.Logger, changed: make(chan struct{}), state: State{Since: time.Now()},
	}
}

const (
	backoffMin   = 100 * time.Millisecond
	backoffMax   = 10 * time.Second
	backoffReset = 30 * time.Second // a child that lived this long starts the backoff anew
)

// Run starts the child, starts it again whenever it ends, and stops it when ctx is done. It returns only when no
// child is left, nil unless the child's files cannot be prepared.
func (s *Supervisor) Run(ctx context.Context) error {
	for _, dir := range []string{"wal", "blocks", "generator"} {
		if err := os.MkdirAll(filepath.Join(s.settings.Dir, dir), 0o755); err != nil {
			return fmt.Errorf("prepare Tempo's directory: %w", err)
		}
	}
	backoff := backoffMin
	for ctx.Err() == nil {
		started := time.Now()
		err := s.runOnce(ctx)
		s.liveHeap.Store(0)
		s.set(State{Err: err})
		if ctx.Err() != nil {
			break
		}
		if time.Since(started) > backoffReset {
			backoff = backoffMin
		}
		s.restarts.Add(1)
		s.logger.Error("tempo ended; starting it again", "err", err, "ran", time.Since(started).Round(time.Millisecond).String(), "backoff", backoff.String())
		select {
		case <-ctx.Done():
		case <-time.After(backoff):
		}
		backoff = min(2*backoff, backoffMax)
	}
	return nil
}

// runOnce runs one child to its end. The error says why it ended; nil when ctx is done.
func (s *Supervisor) runOnce(ctx context.Context) error {
	ports, err := freePorts()
	if err != nil {
		return err
	}
	config, _, err := Generate(s.settings, ports)
	if err != nil {
		return err
	}
	// What an earlier run had in its write-ahead log is in the spool and is sent again. Replaying it would write blocks
	// that are complete once more, in place, from a log that was never synced.
	if err := os.RemoveAll(filepath.Join(s.settings.Dir, "wal")); err != nil {
		return fmt.Errorf("remove Tempo's write-ahead log: %w", err)
	}
	path := filepath.Join(s.settings.Dir, "tempo.yaml")
	if err := os.WriteFile(path, config, 0o600); err != nil {
		return fmt.Errorf("write Tempo's configuration: %w", err)
	}

	cmd := exec.Command(s.command[0], append(s.command[1:], path)...)
	cmd.Env = childEnv(os.Environ(), s.memoryLimit)
	cmd.SysProcAttr = childAttr()
	lifeline, err := cmd.StdinPipe() // never written to: its end tells the child that we are gone
	if err != nil {
		return fmt.Errorf("open Tempo's lifeline: %w", err)
	}
	defer lifeline.Close()
	output, w, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("open Tempo's output: %w", err)
	}
	cmd.Stdout, cmd.Stderr = w, w
	var relayed sync.WaitGroup
	ingesterStopped, walBroken := make(chan struct{}), make(chan string, 1)
	var once, broken sync.Once
	relayed.Go(func() {
		defer output.Close()
		relay(ctx, output, s.logger, func(msg string, fields map[string]string) {
			switch {
			case msg == LiveHeapPrefix:
				if live, err := strconv.ParseInt(fields["bytes"], 10, 64); err == nil {
					s.liveHeap.Store(live)
				}
			case walErrors[msg]:
				broken.Do(func() { walBroken <- msg + ": " + fields["err"] })
			case msg == "module stopped" && fields["module"] == "ingester":
				once.Do(func() { close(ingesterStopped) })
			}
		})
	})

	ended := make(chan error, 1)
	begun := make(chan error, 1)
	go func() {
		// The kernel sends the parent-death signal when the starting thread ends, so that thread waits for the child.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		if err := cmd.Start(); err != nil {
			begun <- err
			return
		}
		begun <- nil
		ended <- cmd.Wait()
	}()
	err = <-begun
	w.Close()
	if err != nil {
		relayed.Wait()
		return fmt.Errorf("start Tempo: %w", err)
	}
	s.set(State{PID: cmd.Process.Pid, Ports: ports})
	s.logger.Debug("tempo started", "pid", cmd.Process.Pid, "otlp_port", ports.OTLP, "http_port", ports.HTTP, "grpc_port", ports.GRPC)

	readyCtx, stopProbing := context.WithCancel(ctx)
	defer stopProbing()
	go s.probe(readyCtx, State{PID: cmd.Process.Pid, Ports: ports, Ready: true})

	select {
	case err = <-ended:
		relayed.Wait()
		if err == nil {
			err = errors.New("exit status 0")
		}
		return err
	case why := <-walBroken:
		stopProbing()
		s.set(State{PID: cmd.Process.Pid, Ports: ports})
		if err := cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
			s.logger.Error("tempo cannot be killed", "err", err)
		}
		<-ended
		relayed.Wait()
		return errors.New(why)
	case <-ctx.Done():
	}
	stopProbing()
	s.set(State{PID: cmd.Process.Pid, Ports: ports})
	s.stop(cmd.Process, ended, ingesterStopped)
	relayed.Wait()
	return nil
}

// walErrors are the messages with which Tempo says that it could not write what it was sent to its write-ahead log, on a
// full disk say. It has forgotten some of that then, goes on failing when there is room again, and may put spans under
// another trace's identifier. Started anew it is sent everything again.
var walErrors = map[string]bool{"failed to cut traces": true, "failed to cut block": true}

// stop ends the child: SIGTERM, then SIGKILL once its ingester has written everything, or at the deadline. Tempo's
// query frontend may never drain, so its own end is not waited for.
func (s *Supervisor) stop(p *os.Process, ended <-chan error, ingesterStopped <-chan struct{}) {
	if err := p.Signal(syscall.SIGTERM); err != nil {
		<-ended
		return
	}
	deadline := time.After(s.stopWithin)
	select {
	case <-ended:
		return
	case <-ingesterStopped:
	case <-deadline:
		s.logger.Warn("tempo did not stop in time; killing it", "deadline", s.stopWithin.String())
	}
	if err := p.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		s.logger.Error("tempo cannot be killed", "err", err)
	}
	<-ended
}

// probe sets ready as the state once Tempo answers that it is.
func (s *Supervisor) probe(ctx context.Context, ready State) {
	client := &http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if answers(ctx, client, ready.HTTP()+"/ready") {
			s.mu.Lock()
			if ctx.Err() == nil {
				s.setLocked(ready)
			}
			s.mu.Unlock()
			return
		}
	}
}

func answers(ctx context.Context, client *http.Client, url string) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	resp, err := client.Do(req)
	if err != nil {
		return false
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<16))
	resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

// State returns the child's state.
func (s *Supervisor) State() State {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state
}

// LiveHeap is how many bytes of the child's heap were in use after its last garbage collection, 0 while none runs.
func (s *Supervisor) LiveHeap() int64 { return s.liveHeap.Load() }

// Restarts counts the times that a child ended without being asked to.
func (s *Supervisor) Restarts() int64 { return s.restarts.Load() }

// WaitReady blocks until a trace can be written and read, or ctx is done.
func (s *Supervisor) WaitReady(ctx context.Context) (State, error) {
	for {
		s.mu.Lock()
		state, changed := s.state, s.changed
		s.mu.Unlock()
		if state.Ready {
			return state, nil
		}
		select {
		case <-ctx.Done():
			return state, ctx.Err()
		case <-changed:
		}
	}
}

func (s *Supervisor) set(state State) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.setLocked(state)
}

func (s *Supervisor) setLocked(state State) {
	state.Since = time.Now()
	s.state = state
	close(s.changed)
	s.changed = make(chan struct{})
}

// freePorts finds three free ports. Another process may take one before the child does; then the child ends and is
// started with others.
func freePorts() (Ports, error) {
	var ports [3]int
	for i := range ports {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return Ports{}, fmt.Errorf("find a free loopback port: %w", err)
		}
		defer l.Close()
		ports[i] = l.Addr().(*net.TCPAddr).Port
	}
	return Ports{HTTP: ports[0], GRPC: ports[1], OTLP: ports[2]}, nil
}
