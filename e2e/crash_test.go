package e2e

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"sync"
	"syscall"
	"testing"
	"time"

	"appliance/e2e/internal/harness"
)

// TestApplianceKilled kills the appliance: nothing of it may be left running,
// and another must be able to take its place, with all that was acknowledged.
func TestApplianceKilled(t *testing.T) {
	a := harness.Start(t, harness.Options{})
	acked := mustExport(t, a, "before-crash", 3, 2)
	if below := harness.Descendants(t, a.Pid); len(below) > 0 {
		t.Errorf("the appliance is more than one process: %v", below)
	}
	a.Kill(t)
	harness.Eventually(t, 10*time.Second, "nothing left", func() error {
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
	maps.Copy(acked, mustExport(t, next, "after-crash", 3, 2))
	next.MustFind(t, acked)
}

// TestTermination ends the appliance with SIGTERM: exit code 0, soon, and what
// is in the spool is in blocks.
func TestTermination(t *testing.T) {
	a := harness.Start(t, harness.Options{})
	mustExport(t, a, "before-end", 1, 1)
	if _, err := a.Search(t.Context(), "{}", 10); err != nil {
		t.Fatal(err)
	}
	started := time.Now()
	a.Signal(t, syscall.SIGTERM)
	if code := a.ExitCode(t, 30*time.Second); code != 0 {
		t.Errorf("exit code %d after SIGTERM", code)
	}
	t.Logf("ended %.1f s after SIGTERM", time.Since(started).Seconds())
	next := harness.Start(t, harness.Options{DataDir: a.DataDir})
	if l := next.Account(t); l.Pending != 0 || l.Proven != 1 {
		t.Errorf("after a stop in order: %+v", l)
	}
}

// TestSecondSignal ends an appliance that waits for a Tempo elsewhere that
// hangs. One signal is patient, two are not; nothing acknowledged is lost.
func TestSecondSignal(t *testing.T) {
	m := harness.StartTempo(t, t.TempDir(), harness.CompactingTempo)
	env := m.Env()
	env["APPLIANCE_FORWARDER_DRAIN_DEADLINE"] = "1m"
	a := harness.Start(t, harness.Options{Env: env})
	m.Signal(t, syscall.SIGSTOP)
	acked := mustExport(t, a, "undelivered", 1, 2)

	a.Signal(t, syscall.SIGINT)
	harness.Eventually(t, 10*time.Second, "not ready any more", func() error {
		if a.Ready() == nil {
			return errors.New("still ready")
		}
		return nil
	})
	if !a.Alive() {
		t.Fatal("ended at the first signal, although a trace is not delivered")
	}
	a.Signal(t, syscall.SIGINT)
	if code := a.ExitCode(t, 2*time.Second); code == 0 {
		t.Error("exit code 0, although it did not wait for Tempo")
	}
	m.Signal(t, syscall.SIGCONT)
	next := harness.Start(t, harness.Options{DataDir: a.DataDir, Env: m.Env()})
	next.MustFind(t, acked)
}

// TestTempoHangs stops a Tempo elsewhere without ending it, while clients send.
// They must not notice, and everything must be there once Tempo goes on.
func TestTempoHangs(t *testing.T) {
	m := harness.StartTempo(t, t.TempDir(), harness.CompactingTempo)
	a := harness.Start(t, harness.Options{Env: m.Env()})
	m.Signal(t, syscall.SIGSTOP)
	senders := startSenders(t, a, 4)
	senders.waitForAcks(t, 20)
	if err := a.Ready(); err != nil {
		t.Errorf("whoever balances the load would take away the way to the spool: %v", err)
	}
	m.Signal(t, syscall.SIGCONT)
	senders.waitForAcks(t, 20)
	senders.hold(t, a)
}

// mustExport sends traces, which are to be acknowledged, and returns how many spans each has.
func mustExport(t *testing.T, a *harness.Appliance, service string, traces, spans int) map[string]int {
	t.Helper()
	request, ids := harness.NewRequest(service, traces, spans)
	if answer, err := a.Export(t.Context(), request); err != nil || answer.Status != http.StatusOK {
		t.Fatalf("send: %v, %+v", err, answer)
	}
	return withSpans(ids, spans)
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

const spansPerSend = 3

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
	t.Cleanup(s.stop)
	return s
}

func (s *senders) send(ctx context.Context, a *harness.Appliance) {
	request, ids := harness.NewRequest("sender", 1, spansPerSend)
	answer, err := a.Export(ctx, request)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.failures = append(s.failures, err)
		return
	}
	s.statuses[answer.Status]++
	if answer.Status == http.StatusOK {
		s.acked[ids[0]] = spansPerSend
	}
}

// waitForAcks waits until n more traces are acknowledged.
func (s *senders) waitForAcks(t *testing.T, n int) {
	t.Helper()
	s.mu.Lock()
	want := len(s.acked) + n
	s.mu.Unlock()
	harness.Eventually(t, 30*time.Second, "acknowledged traces", func() error {
		s.mu.Lock()
		defer s.mu.Unlock()
		if len(s.acked) < want {
			return fmt.Errorf("%d of %d, answers so far: %v, no answer: %v", len(s.acked), want, s.statuses, s.failures)
		}
		return nil
	})
}

func (s *senders) stop() {
	s.cancel()
	s.done.Wait()
}

// hold stops the senders and checks that each of their requests was
// acknowledged, that the ledger knows of these and no others, and that their
// traces are found.
func (s *senders) hold(t *testing.T, a *harness.Appliance) {
	t.Helper()
	s.stop()
	t.Logf("answers: %v", s.statuses)
	for status, n := range s.statuses {
		if status != http.StatusOK {
			t.Errorf("%d answers had status %d", n, status)
		}
	}
	for _, err := range s.failures {
		t.Errorf("a client got no answer: %v", err)
	}
	if l := a.Account(t); l.Kept != int64(spansPerSend*len(s.acked)) {
		t.Errorf("%d spans were acknowledged, %d kept", spansPerSend*len(s.acked), l.Kept)
	}
	a.MustFind(t, s.acked)
}
