package torture

import (
	"testing"
	"time"

	"appliance/e2e/internal/harness"
	"appliance/e2e/internal/oracle"
)

// The memory that the job of the origin document has.
const jobMemory = 450 << 20

// TestOverload finds out what Tempo takes, sends ten times that to an appliance that lives with its Tempo in 450 MB, and compares what is
// delivered in the flood with the most that was delivered before. The flood goes to disk; when that is full, clients are told to come back.
func TestOverload(t *testing.T) {
	phase := time.Duration(times(12, 120)) * time.Second
	flood := time.Duration(times(60, 300)) * time.Second
	spool := map[bool]string{true: "256MiB", false: "1GiB"}[times(0, 1) == 0]
	group := harness.NewMemoryCgroup(t, jobMemory)
	group.PreferCPU(t) // such floods come from more than one machine
	o := oracle.New(t, 600)
	// In a flood Tempo takes its time for a block: what it has is not sent again for that.
	opts := quick(t, "", map[string]string{"APPLIANCE_SPOOL_MAX_BYTES": spool, "APPLIANCE_FORWARDER_RESEND_AFTER": "3m"})
	opts.Cgroup = group
	a := harness.Start(t, opts)
	o.Target(a.IntakeURL())
	m := meter{o: o, a: a}
	step := func(spansPerSecond float64, d time.Duration) rate {
		l := o.Start(oracle.Shape{Clients: 16, SpansPerSecond: spansPerSecond, Plain: true})
		wait(t, d/4) // until it is steady
		r := m.over(t, 3*d/4)
		l.Stop()
		t.Logf("measured: %s: offered %.0f spans/s: acknowledged %.0f, delivered %.0f, tempos so far %d, appliance %d MiB, tempo %d MiB, the group %d MiB at most",
			t.Name(), spansPerSecond, r.acked, r.delivered, m.tempos(t), m.resident(t, a.Pid), m.resident(t, m.tempo(t)), group.PeakMemory(t)>>20)
		return r
	}
	peak := 0.0
	for offered := 5_000.0; offered <= 80_000; offered *= 2 {
		r := step(offered, phase)
		peak = max(peak, r.delivered)
		if r.delivered < 0.8*offered {
			break
		}
	}
	over := step(10*peak, flood)
	if !a.Alive() {
		t.Fatal("the appliance ended in the flood")
	}
	t.Logf("measured: %s: delivered in the flood: %.0f %% of the peak; answers %v", t.Name(), 100*over.delivered/peak, o.Counts().Answers)
	// The short form, on a machine that may be busy, holds that a flood does not bring delivery down.
	if least := float64(times(50, 90)) / 100; over.delivered < least*peak {
		t.Errorf("delivered %.0f spans/s in the flood, %.0f before it", over.delivered, peak)
	}
	judge(t, o, a, 30*time.Minute)
	t.Logf("measured: %s: Tempo was started %d times, had at most %d blocks cut and not written, and %d MiB in use", t.Name(), m.tempos(t), m.unwritten, m.live>>20)
	if n := m.tempos(t); n > 1 {
		t.Errorf("Tempo was killed and started %d times", n)
	}
	// With four it is sent nothing more, and what it has makes one. None at all means that it does not name them as it did.
	if m.unwritten < 1 || m.unwritten > 5 {
		t.Errorf("Tempo had up to %d blocks cut and not written", m.unwritten)
	}
}

// rate is in spans per second.
type rate struct{ acked, delivered float64 }

// meter takes rates.
type meter struct {
	o    *oracle.Oracle
	a    *harness.Appliance
	pids map[int]bool

	unwritten, live int // the most that there was
}

// over measures for d.
func (m *meter) over(t *testing.T, d time.Duration) rate {
	t.Helper()
	began, acked, delivered := time.Now(), m.o.Counts().Acked, m.delivered(t)
	for time.Since(began) < d {
		wait(t, min(time.Second, d))
		m.tempo(t)
		_, samples := m.a.Metrics(t)
		m.unwritten = max(m.unwritten, int(samples["appliance_tempo_unwritten_blocks"]))
		m.live = max(m.live, int(samples["appliance_tempo_live_heap_bytes"]))
	}
	seconds := time.Since(began).Seconds()
	return rate{float64(m.o.Counts().Acked-acked) / seconds, float64(m.delivered(t)-delivered) / seconds}
}

// delivered is how many spans Tempo has taken so far, proven or not.
func (m *meter) delivered(t *testing.T) int64 {
	t.Helper()
	s, err := m.a.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s.Ledger.Proven + s.Forwarder.UnprovenSpans
}

// tempo is the pid of the Tempo of now.
func (m *meter) tempo(t *testing.T) int {
	t.Helper()
	k, ok := m.a.TempoChild(t)
	if !ok {
		return 0
	}
	if m.pids == nil {
		m.pids = map[int]bool{}
	}
	m.pids[k.Pid] = true
	return k.Pid
}

// tempos is how many there were.
func (m *meter) tempos(t *testing.T) int {
	m.tempo(t)
	return len(m.pids)
}

func (m *meter) resident(t *testing.T, pid int) uint64 {
	t.Helper()
	if pid == 0 {
		return 0
	}
	return harness.MemoryOf(t, pid).Resident >> 20
}
