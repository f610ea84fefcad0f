package torture

import (
	"fmt"
	"net/http"
	"syscall"
	"testing"
	"time"

	"appliance/e2e/internal/harness"
	"appliance/e2e/internal/oracle"
)

// few is a load that a dozen appliances can have at the same time.
var few = oracle.Shape{Clients: 2, SpansPerSecond: 300, MaxBatch: 300}

// TestTempoElsewhere breaks what is between an appliance and a Tempo elsewhere,
// or that itself, in every way; clients must not notice, and when it is well
// again everything arrives.
func TestTempoElsewhere(t *testing.T) {
	t.Parallel()
	m := harness.StartTempo(t, t.TempDir(), harness.CompactingTempo)
	ill := time.Duration(times(6, 60)) * time.Second
	for name := range (&faulty{}).faults() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFaulty(t, m.OTLP)
			o, a := sendElsewhere(t, f, m)
			wait(t, time.Second)
			f.breakWith(f.faults()[name])
			wait(t, ill)
			f.heal()
			wait(t, time.Second)
			if f.met() == 0 {
				t.Error("no request met the fault")
			}
			judgeElsewhere(t, o, a, m)
		})
	}
	t.Run("away", func(t *testing.T) {
		t.Parallel()
		f := newFaulty(t, m.OTLP)
		o, a := sendElsewhere(t, f, m)
		wait(t, time.Second)
		f.server.Close()
		wait(t, time.Duration(times(30, 600))*time.Second)
		f.listen(t)
		wait(t, time.Second)
		judgeElsewhere(t, o, a, m)
	})
}

func sendElsewhere(t *testing.T, f *faulty, m *harness.Tempo) (*oracle.Oracle, *harness.Appliance) {
	t.Helper()
	o := oracle.New(t, 200)
	a := harness.Start(t, collecting(t, "", map[string]string{
		"APPLIANCE_FORWARDER_TEMPO_URL": "http://" + f.addr,
		"APPLIANCE_TEMPO_QUERY_URL":     "http://" + string(m.API),
	}))
	o.Target(a.IntakeURL())
	o.Start(few)
	return o, a
}

func judgeElsewhere(t *testing.T, o *oracle.Oracle, a *harness.Appliance, m *harness.Tempo) {
	t.Helper()
	o.StopAll()
	c := o.Counts()
	if n := c.Answers[http.StatusOK]; n != total(c.Answers) {
		t.Errorf("clients noticed that Tempo is ill: answers %v, none because of %q", c.Answers, c.Silence)
	}
	healed := time.Now()
	harness.Eventually(t, 3*time.Minute, "everything sent", func() error {
		s, err := a.Status(t.Context())
		if err != nil {
			return err
		}
		if waiting := s.Ledger.Pending - s.Forwarder.UnprovenSpans; waiting > 0 {
			return fmt.Errorf("%d spans are not sent yet", waiting)
		}
		return nil
	})
	sent := time.Since(healed)
	var v oracle.Verdict
	harness.Eventually(t, 3*time.Minute, "everything in blocks", func() error {
		if v = inBlocks(t, o, m.Blocks); v.Missing > 0 {
			return fmt.Errorf("%s: %v", v, v.Examples)
		}
		return nil
	})
	t.Logf("measured: %s: all sent %.1f s after the load, in blocks: %s", t.Name(), sent.Seconds(), v)
	clean(t, v)
	account(t, o, a)
}

func total(answers map[int]int64) (n int64) {
	for _, v := range answers {
		n += v
	}
	return n
}

// TestTempoElsewhereKilled kills a Tempo elsewhere whose storage the appliance
// can read: what it had in memory only is sent again.
func TestTempoElsewhereKilled(t *testing.T) {
	t.Parallel()
	m := harness.StartTempo(t, t.TempDir(), harness.CompactingTempo)
	o := oracle.New(t, 200)
	a := harness.Start(t, collecting(t, "", map[string]string{
		"APPLIANCE_FORWARDER_TEMPO_URL": "http://" + m.OTLP,
		"APPLIANCE_TEMPO_QUERY_URL":     "http://" + string(m.API),
		"APPLIANCE_ARCHIVE_SOURCE":      "file://" + m.Blocks,
	}))
	o.Target(a.IntakeURL())
	o.Start(clients)
	for range times(3, 50) {
		within(t, 4*time.Second)
		m.Signal(t, syscall.SIGKILL)
		<-m.Ended()
		m.Start(t)
	}
	o.StopAll()
	proven := drained(t, a, 2*time.Minute)
	v := inBlocks(t, o, m.Blocks)
	t.Logf("measured: %s: all proven %.1f s after the load, in blocks: %s", t.Name(), proven.Seconds(), v)
	clean(t, v)
	clean(t, answered(t, o, a))
	account(t, o, a)
}
