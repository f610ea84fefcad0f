package tempo

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
)

// The child here is this test binary. It stands in for the faults that a real Tempo cannot be made to show on demand;
// e2e/ runs the real one.
const behaviour = "TEMPO_TEST_BEHAVIOUR"

func TestMain(m *testing.M) {
	switch b := os.Getenv(behaviour); b {
	case "":
		os.Exit(m.Run())
	case "parent":
		os.Setenv(behaviour, "well")
		s := newTestSupervisor(os.Args[1], io.Discard)
		go func() { _ = s.Run(context.Background()) }()
		state, err := s.WaitReady(context.Background())
		fmt.Println(state.PID, err)
		select {}
	default:
		fakeTempo(b, os.Args[len(os.Args)-1])
	}
}

func fakeTempo(b, configPath string) {
	if b == "crashes" {
		fmt.Println(`level=error ts=2026-01-01T00:00:00Z caller=x.go:1 msg="no way" err="of going on"`)
		os.Exit(7)
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(3)
	}()
	text, _ := os.ReadFile(configPath)
	var conf struct {
		Server struct {
			Port int `yaml:"http_listen_port"`
		} `yaml:"server"`
	}
	if err := yaml.Unmarshal(text, &conf); err != nil {
		panic(err)
	}
	go func() {
		err := http.ListenAndServe(fmt.Sprintf("127.0.0.1:%d", conf.Server.Port), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {}))
		fmt.Println(err)
		os.Exit(4)
	}()
	fmt.Println(`level=info ts=2026-01-01T00:00:00Z caller=x.go:1 msg="memory limit" GOMEMLIMIT=` + os.Getenv("GOMEMLIMIT") + ` OTEL=` + strconv.Quote(os.Getenv("OTEL_TRACES_EXPORTER")))
	if b == "cannot write its log" {
		fmt.Println(`level=error ts=2026-01-01T00:00:00Z caller=flush.go:1 org_id=x msg="failed to cut traces" err="no space left on device"`)
	}
	<-stop
	switch b {
	case "hangs after its ingester stopped":
		fmt.Println(`level=info ts=2026-01-01T00:00:00Z caller=x.go:1 msg="module stopped" module=ingester`)
		select {}
	case "ignores SIGTERM":
		select {}
	}
	os.Exit(0)
}

func newTestSupervisor(dir string, log io.Writer) *Supervisor {
	return NewSupervisor(Options{
		Command:  []string{os.Args[0]},
		Settings: Settings{Dir: dir, Retention: time.Hour}, MemoryLimit: 123 << 20, StopWithin: 2 * time.Second,
		Logger: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// start runs a supervisor until the test ends; stop stops it and says how long that took.
func start(t *testing.T, b string) (s *Supervisor, log *lockedBuffer, stop func() time.Duration) {
	t.Helper()
	t.Setenv(behaviour, b)
	t.Setenv("OTEL_TRACES_EXPORTER", "otlp")
	log = &lockedBuffer{}
	s = newTestSupervisor(t.TempDir(), log)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	var once sync.Once
	var took time.Duration
	stop = func() time.Duration {
		once.Do(func() {
			began := time.Now()
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
			took = time.Since(began)
		})
		return took
	}
	t.Cleanup(func() { stop() })
	return s, log, stop
}

func waitReady(t *testing.T, s *Supervisor) State {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	state, err := s.WaitReady(ctx)
	if err != nil {
		t.Fatalf("not ready: %v, %+v", err, state)
	}
	return state
}

func alive(pid int) bool { return !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) }

// until polls a condition that another process brings about.
func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-deadline:
			t.Fatalf("waited in vain until %s", what)
		case <-tick.C:
		}
	}
}

func TestKilledChildIsStartedAgain(t *testing.T) {
	s, log, _ := start(t, "well")
	first := waitReady(t, s)
	if err := syscall.Kill(first.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	until(t, "the death is noticed", func() bool { return s.State().PID != first.PID })
	second := waitReady(t, s)
	if second.PID == first.PID || s.Restarts() != 1 {
		t.Errorf("pids %d and %d, %d restarts", first.PID, second.PID, s.Restarts())
	}
	if !strings.Contains(log.String(), `"tempo ended; starting it again" err="signal: killed"`) {
		t.Errorf("the log does not say so:\n%s", log.String())
	}
}

// A child that could not write its write-ahead log goes on with a broken one, so it is started anew, without that log.
func TestChildWithABrokenLogIsStartedAnew(t *testing.T) {
	s, log, _ := start(t, "cannot write its log")
	until(t, "it was started anew", func() bool { return s.Restarts() >= 2 })
	if !strings.Contains(log.String(), `failed to cut traces: no space left on device`) {
		t.Errorf("the log does not say why:\n%s", log.String())
	}
}

func TestChildThatCannotStartIsTriedAgainWithBackoff(t *testing.T) {
	s, log, stop := start(t, "crashes")
	until(t, "it was tried three times", func() bool { return s.Restarts() >= 3 })
	stop()
	for _, want := range []string{`level=ERROR msg="tempo: no way" err="of going on"`, "exit status 7", "backoff=100ms", "backoff=200ms", "backoff=400ms"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("no %s in the log:\n%s", want, log.String())
		}
	}
	if s.State().Ready {
		t.Error("ready")
	}
}

func TestStopDoesNotWaitForWhatHangsAfterTheIngester(t *testing.T) {
	s, _, stop := start(t, "hangs after its ingester stopped")
	pid := waitReady(t, s).PID
	if took := stop(); took >= 2*time.Second {
		t.Errorf("took %v, as if the deadline had been waited for", took)
	}
	if alive(pid) {
		t.Error("the child is alive")
	}
}

func TestStopKillsAtTheDeadline(t *testing.T) {
	s, log, stop := start(t, "ignores SIGTERM")
	pid := waitReady(t, s).PID
	if took := stop(); took < 2*time.Second {
		t.Errorf("took only %v", took)
	}
	if alive(pid) {
		t.Error("the child is alive")
	}
	if !strings.Contains(log.String(), "tempo did not stop in time; killing it") {
		t.Error("the log does not say so")
	}
}

func TestChildGetsItsMemoryLimitAndNoTracingOfItsOwn(t *testing.T) {
	s, log, stop := start(t, "well")
	waitReady(t, s)
	stop()
	if want := `msg="tempo: memory limit" gomemlimit=128974848 otel=""`; !strings.Contains(log.String(), want) {
		t.Errorf("no %s in:\n%s", want, log.String())
	}
}

func TestChildDiesWithAKilledParent(t *testing.T) {
	parent := exec.Command(os.Args[0], t.TempDir())
	parent.Env = append(os.Environ(), behaviour+"=parent")
	out, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.Fields(line)[0])
	if err != nil || !alive(pid) {
		t.Fatalf("the child said %q: %v", line, err)
	}
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = parent.Wait()
	until(t, "the orphan is dead", func() bool { return !alive(pid) || isZombie(pid) })
}

func isZombie(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return errors.Is(err, os.ErrNotExist)
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	return strings.HasPrefix(rest, "Z")
}
