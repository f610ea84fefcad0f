package torture

import (
	"encoding/hex"
	"math"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"appliance/e2e/internal/harness"
	"appliance/e2e/internal/oracle"
)

// offer is traces of one span that a service sent while its load was the same.
type offer struct {
	service string
	phase   int
	settled bool // in the last minute of the phase
}

// TestTailRate has the load of one service change tenfold, while another stays
// as it is. What is kept of each stands for what came, by its thresholds. In the
// long form each phase takes two minutes, and in the second one the rate is held
// within 10 %: internal/tail holds it in each minute, on a clock of its own.
func TestTailRate(t *testing.T) {
	const perSecond = 40
	phases := []float64{60, 600, 60, 600}
	lasts := time.Duration(times(2, 120)) * time.Second
	a := harness.Start(t, quick(t, "", map[string]string{
		"APPLIANCE_TAIL_DECISION_WAIT": "2s",
		"APPLIANCE_TAIL_RULES":         `[{name: busy, keep: {spans_per_second: 40}, per: [resource.service.name]}]`,
	}))
	sent := map[[16]byte]offer{}
	send := func(o offer, n int) {
		request, ids := harness.NewRequest(o.service, n, 1)
		if answer, err := a.Export(t.Context(), request); err != nil || answer.Status != http.StatusOK {
			t.Fatalf("export: %+v, %v", answer, err)
		}
		for _, id := range ids {
			sent[traceIDOf(t, id)] = o
		}
	}
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for phase, load := range phases {
		done := 0.0 // seconds whose spans are sent
		for began := time.Now(); time.Since(began) < lasts; <-tick.C {
			// what a busy machine could not send is made up for
			due := min(math.Floor((time.Since(began).Seconds()-done)*10), 10)
			if due < 1 {
				continue
			}
			done += due / 10
			settled := time.Since(began) > lasts-time.Minute
			send(offer{"changes", phase, settled}, int(due*load/10))
			send(offer{"stays", phase, settled}, int(due*10))
		}
	}
	drained(t, a, time.Minute)
	states, err := oracle.States(time.Minute, harness.BlocksDir(a.DataDir))
	if err != nil {
		t.Fatal(err)
	}
	offered, kept := map[offer]float64{}, map[offer]float64{}
	came, adjusted, variance := map[string]float64{}, map[string]float64{}, map[string]float64{}
	for id, o := range sent {
		came[o.service]++
		offered[o]++
		state, ok := states[id]
		if !ok {
			continue
		}
		p := probabilityOf(t, state)
		kept[o]++
		adjusted[o.service] += 1 / p
		variance[o.service] += (1 - p) / (p * p)
	}
	for service, n := range came {
		off := (adjusted[service] - n) / math.Sqrt(variance[service])
		t.Logf("measured: %s: service %s: %.0f spans came, and what is kept stands for %.0f: %.1f sigma", t.Name(), service, n, adjusted[service], off)
		// 3 would fail now and then; the numbers are random
		if math.IsNaN(off) || math.Abs(off) > 5 {
			t.Errorf("service %s: %.0f spans came, and what is kept stands for %.0f: %.1f sigma", service, n, adjusted[service], off)
		}
	}
	for o, n := range kept {
		if !o.settled || lasts < 2*time.Minute {
			continue
		}
		t.Logf("measured: %s: service %s, phase %d: %.1f spans kept a second, of %.1f", t.Name(), o.service, o.phase, n/60, offered[o]/60)
		// a machine that is too busy may offer less
		if want := min(perSecond, offered[o]/60); math.Abs(n/60-want) > perSecond/10 {
			t.Errorf("service %s, phase %d: %.1f spans are kept a second, want %.1f", o.service, o.phase, n/60, want)
		}
	}
}

func traceIDOf(t *testing.T, text string) [16]byte {
	t.Helper()
	id, err := hex.DecodeString(text)
	if err != nil || len(id) != 16 {
		t.Fatalf("trace id %q: %v", text, err)
	}
	return [16]byte(id)
}

// probabilityOf is what a tracestate says that a span was kept with.
func probabilityOf(t *testing.T, state string) float64 {
	t.Helper()
	if state == "" {
		return 1
	}
	digits, ok := strings.CutPrefix(state, "ot=th:")
	n, err := strconv.ParseUint(digits+strings.Repeat("0", max(14-len(digits), 0)), 16, 64)
	if !ok || err != nil {
		t.Fatalf("tracestate %q: %v", state, err)
	}
	return 1 - float64(n)/(1<<56)
}
