package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"syscall"
	"testing"
	"time"

	"appliance/e2e/internal/harness"
)

// TestTempoKilled kills the embedded Tempo while clients send. They must see only "kept" and "not now", and Tempo must come back.
func TestTempoKilled(t *testing.T) {
	a := harness.Start(t, harness.Options{})
	senders := startSenders(t, a, 4)
	senders.waitForAcks(t, 20)

	before, ok := a.TempoChild(t)
	if !ok {
		t.Fatal("appliance has no Tempo child to kill")
	}
	if err := syscall.Kill(before.Pid, syscall.SIGKILL); err != nil {
		t.Fatalf("kill %s: %v", before, err)
	}
	harness.Eventually(t, 30*time.Second, "another Tempo child", func() error {
		after, ok := a.TempoChild(t)
		if !ok || after.Pid == before.Pid {
			return errors.New("there is none")
		}
		return nil
	})
	a.WaitReady(t)
	senders.forget() // what Tempo had acknowledged from memory died with it; the spool will change that
	senders.waitForAcks(t, 20)
	statuses, failures, acked := senders.stop()

	t.Logf("answers while Tempo was killed and came back: %v", statuses)
	for status, n := range statuses {
		if status != http.StatusOK && status != http.StatusServiceUnavailable {
			t.Errorf("%d answers had status %d", n, status)
		}
	}
	if statuses[http.StatusServiceUnavailable] == 0 {
		t.Error("no client was told to come back later while there was no Tempo")
	}
	for _, err := range failures {
		t.Errorf("a client got no answer: %v", err)
	}
	if !a.Alive() {
		t.Error("appliance ended with its Tempo")
	}
	a.MustFind(t, acked)
}

// TestApplianceKilled kills the appliance: nothing of it may be left running, and another must be able to take its place.
func TestApplianceKilled(t *testing.T) {
	a := harness.Start(t, harness.Options{})
	children := harness.Descendants(t, a.Pid)
	if len(children) == 0 {
		t.Fatal("appliance has no child that could be orphaned")
	}
	a.Signal(t, syscall.SIGKILL)
	<-a.Ended()

	harness.Eventually(t, 10*time.Second, "no orphan", func() error {
		for _, k := range children {
			if k.Runs() {
				return fmt.Errorf("%s still runs", k)
			}
		}
		for _, k := range harness.Mentioning(t, a.DataDir) {
			return fmt.Errorf("%s still works on the data directory", k)
		}
		for _, addr := range []string{a.Intake, a.Read} {
			if harness.Listens(addr) {
				return fmt.Errorf("something still listens on %s", addr)
			}
		}
		return nil
	})

	next := harness.Start(t, harness.Options{DataDir: a.DataDir})
	request, ids := harness.NewRequest("after-crash", 3, 2)
	answer, err := next.Export(t.Context(), request)
	if err != nil || answer.Status != http.StatusOK {
		t.Fatalf("send to the next appliance: %v, %+v", err, answer)
	}
	next.MustFind(t, withSpans(ids, 2))
}

// TestTermination ends the appliance with SIGTERM: exit code 0, soon, and nothing left behind.
func TestTermination(t *testing.T) {
	a := harness.Start(t, harness.Options{})
	request, _ := harness.NewRequest("before-end", 1, 1)
	if answer, err := a.Export(t.Context(), request); err != nil || answer.Status != http.StatusOK {
		t.Fatalf("send: %v, %+v", err, answer)
	}
	// A search makes Tempo's frontend hang when it is asked to stop; people search.
	if _, err := a.Search(t.Context(), "{}", 10); err != nil {
		t.Fatal(err)
	}
	children := harness.Descendants(t, a.Pid)
	started := time.Now()
	a.Signal(t, syscall.SIGTERM)
	if code := a.ExitCode(t, 30*time.Second); code != 0 {
		t.Errorf("exit code %d after SIGTERM", code)
	}
	t.Logf("ended %.1f s after SIGTERM", time.Since(started).Seconds())
	for _, k := range children {
		if k.Runs() {
			t.Errorf("%s still runs", k)
		}
	}
}

// TestSecondSignal ends an appliance that waits for a Tempo that hangs. One signal is patient, two are not.
func TestSecondSignal(t *testing.T) {
	a := harness.Start(t, harness.Options{})
	tempo := stopTempo(t, a)
	answered := exportAside(t, a, "undecided")
	harness.Eventually(t, 5*time.Second, "request under way", func() error { return underWay(t, a) })

	a.Signal(t, syscall.SIGINT)
	harness.Eventually(t, 10*time.Second, "not ready any more", func() error {
		if a.Ready() == nil {
			return errors.New("still ready")
		}
		return nil
	})
	if !a.Alive() {
		t.Fatalf("ended at the first signal, although a client waits: %+v", <-answered)
	}
	a.Signal(t, syscall.SIGINT)
	if code := a.ExitCode(t, 2*time.Second); code == 0 {
		t.Error("exit code 0, although it did not wait for a client")
	}
	harness.Eventually(t, 5*time.Second, "no orphan", func() error {
		if tempo.Runs() {
			return fmt.Errorf("%s still runs", tempo)
		}
		return nil
	})
	if got := <-answered; got.err == nil && got.answer.Status == http.StatusOK {
		t.Error("a trace was acknowledged that Tempo never took")
	}
}

// TestTempoHangs stops Tempo without ending it. Clients must hear "not now" before they give up themselves, and be served again after.
func TestTempoHangs(t *testing.T) {
	const clientPatience = 10 * time.Second // Traefik's and the SDKs'
	a := harness.Start(t, harness.Options{})
	tempo := stopTempo(t, a)
	started := time.Now()
	got := <-exportAside(t, a, "meanwhile")
	if got.err != nil || got.answer.Status != http.StatusServiceUnavailable {
		t.Errorf("while Tempo hangs: %v, %+v", got.err, got.answer)
	}
	took := time.Since(started)
	t.Logf("a client was told %.1f s after it asked", took.Seconds())
	if took >= clientPatience {
		t.Errorf("a client was told after %s, when it had given up", took)
	}
	if err := syscall.Kill(tempo.Pid, syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	a.WaitReady(t)
	request, ids := harness.NewRequest("afterwards", 1, 2)
	if answer, err := a.Export(t.Context(), request); err != nil || answer.Status != http.StatusOK {
		t.Fatalf("send when Tempo is back: %v, %+v", err, answer)
	}
	a.MustFind(t, withSpans(ids, 2))
}

func stopTempo(t *testing.T, a *harness.Appliance) harness.Task {
	t.Helper()
	tempo, ok := a.TempoChild(t)
	if !ok {
		t.Fatal("appliance has no Tempo child to stop")
	}
	if err := syscall.Kill(tempo.Pid, syscall.SIGSTOP); err != nil {
		t.Fatalf("stop %s: %v", tempo, err)
	}
	return tempo
}

// underWay is nil once the appliance works on a request.
func underWay(t *testing.T, a *harness.Appliance) error {
	t.Helper()
	if _, samples := a.Metrics(t); samples["appliance_receiver_inflight_requests"] == 0 {
		return errors.New("none")
	}
	return nil
}

type exported struct {
	answer *harness.Answer
	err    error
}

// exportAside sends one trace and does not wait for the answer.
func exportAside(t *testing.T, a *harness.Appliance, service string) <-chan exported {
	t.Helper()
	request, _ := harness.NewRequest(service, 1, 1)
	done := make(chan exported, 1)
	go func() {
		answer, err := a.Export(t.Context(), request)
		done <- exported{answer, err}
	}()
	return done
}

// senders are clients that send one trace after the other, and never send one again.
type senders struct {
	cancel context.CancelFunc
	done   sync.WaitGroup

	mu       sync.Mutex
	statuses map[int]int
	failures []error
	acked    map[string]int
}

func startSenders(t *testing.T, a *harness.Appliance, n int) *senders {
	ctx, cancel := context.WithCancel(t.Context())
	s := &senders{cancel: cancel, statuses: map[int]int{}, acked: map[string]int{}}
	for range n {
		s.done.Go(func() {
			pace := time.NewTicker(5 * time.Millisecond)
			defer pace.Stop()
			for ctx.Err() == nil {
				s.send(t.Context(), a) // finishes what it has begun
				select {
				case <-ctx.Done():
				case <-pace.C:
				}
			}
		})
	}
	t.Cleanup(func() { s.stop() })
	return s
}

func (s *senders) send(ctx context.Context, a *harness.Appliance) {
	const spans = 3
	request, ids := harness.NewRequest("sender", 1, spans)
	answer, err := a.Export(ctx, request)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.failures = append(s.failures, err)
		return
	}
	s.statuses[answer.Status]++
	if answer.Status == http.StatusOK {
		s.acked[ids[0]] = spans
	}
}

func (s *senders) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.acked = map[string]int{}
}

func (s *senders) waitForAcks(t *testing.T, n int) {
	t.Helper()
	harness.Eventually(t, 30*time.Second, "acknowledged traces", func() error {
		s.mu.Lock()
		defer s.mu.Unlock()
		if len(s.acked) < n {
			return fmt.Errorf("%d of %d, answers so far: %v, no answer: %v", len(s.acked), n, s.statuses, s.failures)
		}
		return nil
	})
}

func (s *senders) stop() (statuses map[int]int, failures []error, acked map[string]int) {
	s.cancel()
	s.done.Wait()
	return s.statuses, s.failures, s.acked
}
