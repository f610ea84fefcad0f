package torture

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"appliance/e2e/internal/harness"
	"appliance/e2e/internal/oracle"
)

// TestRestart fills the spool while Tempo is away, ends the appliance in order
// and by force, and takes the time until it is ready again; also as one that
// stores all that itself from then on, and finds what is in the spool.
func TestRestart(t *testing.T) {
	const (
		spoolBytes = 1 << 30
		bound      = time.Second     // until clients get their 200
		lag        = 5 * time.Second // until what is in the spool is found
		// times as long may that take on a machine that does other things
		busy = 5
	)
	o, dir := oracle.New(t, 20_000), dataDir(t) // large spans: the bytes matter here
	a := harness.Start(t, collecting(t, dir, nil))
	o.Target(a.IntakeURL())
	load := o.Start(oracle.Shape{Clients: 4, MaxBatch: 200, Plain: true})
	harness.Eventually(t, 5*time.Minute, "a gibibyte in the spool", func() error {
		if n := spooled(t, a); n < spoolBytes {
			return fmt.Errorf("%d bytes", n)
		}
		return nil
	})
	load.Stop()
	kills, stops := func() { kill(t, a) }, func() { a.Stop(t) }
	for _, c := range []struct {
		name  string
		end   func()
		start harness.Options
	}{
		{"kill -9", kills, collecting(t, dir, nil)},
		{"SIGTERM", stops, collecting(t, dir, nil)},
		{"kill -9, and stores it", kills, harness.Options{DataDir: dir, Env: map[string]string{"APPLIANCE_FORWARDER_DRAIN_DEADLINE": "0s"}}},
	} {
		best := time.Hour
		for range 3 { // the machine may have been busy with something else
			// so that there is a segment to repair
			load := o.Start(oracle.Shape{Clients: 2, MaxBatch: 100, Plain: true})
			wait(t, 500*time.Millisecond)
			load.Stop()
			c.end()
			began := time.Now()
			a = harness.Launch(t, c.start)
			for a.Ready() != nil {
				if time.Since(began) > time.Minute {
					t.Fatal("not ready for a minute")
				}
			}
			took := time.Since(began)
			o.Target(a.IntakeURL())
			ledger := account(t, o, a)
			t.Logf("measured: %s: ready %d ms after a start on %d MiB of spool and %d spans, after %s", t.Name(), took.Milliseconds(), spooled(t, a)>>20, ledger.Pending, c.name)
			if n := ledger.Pending + ledger.Proven; n < o.Counts().Acked {
				t.Errorf("%d spans are pending or proven, %d were answered 200", n, o.Counts().Acked)
			}
			if best = min(best, took); best <= bound {
				break
			}
		}
		if best > bound {
			t.Errorf("ready after %s at best, the bound is %s", best, bound)
		}
	}
	began, sent := time.Now(), o.Sent()
	harness.Eventually(t, busy*lag, "what is in the spool", func() error {
		last := sent[len(sent)-1]
		n, err := a.SpanCount(t.Context(), last.ID)
		if err == nil && n < last.Acked {
			err = fmt.Errorf("trace %s has %d of %d spans", last.ID, n, last.Acked)
		}
		return err
	})
	t.Logf("measured: %s: what is in the spool is found %.1f s after the start", t.Name(), time.Since(began).Seconds())
	judge(t, o, a, 5*time.Minute)
}

// spooled is how many bytes of records wait.
func spooled(t *testing.T, a *harness.Appliance) int64 {
	t.Helper()
	var bytes float64
	_, samples := a.Metrics(t)
	for name, v := range samples {
		if strings.HasPrefix(name, "appliance_spool_bytes") {
			bytes += v
		}
	}
	return int64(bytes)
}

// TestStop ends an appliance while clients send. Each new connection must be
// answered: 200, then 503, and only when all is done is the port closed. A
// connection that is refused is never tried again by some clients.
func TestStop(t *testing.T) {
	o := oracle.New(t, 200)
	a := harness.Start(t, quick(t, "", nil))
	o.Target(a.IntakeURL())
	o.Start(clients)
	wait(t, time.Second)

	var seen []string // in order, each change once
	var probing sync.WaitGroup
	probing.Go(func() {
		for last := ""; last != "refused"; {
			now := probe(a.Intake)
			if now != last {
				seen = append(seen, now)
			}
			last = now
		}
	})
	a.Signal(t, syscall.SIGTERM)
	if code := a.ExitCode(t, 30*time.Second); code != 0 {
		t.Errorf("exit code %d", code)
	}
	probing.Wait()
	o.StopAll()
	t.Logf("measured: %s: a client saw %v, answers %v", t.Name(), seen, o.Counts().Answers)
	// "cut" is a connection that the kernel had taken, and the appliance not,
	// when the port was closed.
	if at := slices.Index(seen, "503"); at < 0 || slices.Contains(seen[at:], "200") || slices.Contains(seen[:at], "cut") {
		t.Errorf("a client saw %v; before the port is closed it must see 503", seen)
	}
	next := harness.Start(t, quick(t, a.DataDir, nil))
	judge(t, o, next, time.Minute)
}

// probe sends an empty request on a connection of its own.
func probe(addr string) string {
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 5 * time.Second}
	resp, err := client.Post("http://"+addr+"/v1/traces", harness.Protobuf, strings.NewReader(""))
	var op *net.OpError
	switch {
	case err == nil:
		resp.Body.Close()
		return fmt.Sprint(resp.StatusCode)
	case errors.As(err, &op) && op.Op == "dial":
		return "refused"
	}
	return "cut"
}
