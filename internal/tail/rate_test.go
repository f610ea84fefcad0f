package tail

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"appliance/internal/durable/crashfs"
)

// load is traces of ten spans that come at a rate, in groups.
type load struct {
	*rand.Rand
	now time.Time
}

// minute plays one and returns the spans that were kept, what they stand for,
// and how many came. The variance is that of what they stand for.
func (l *load) minute(r *rate, tracesPerSecond float64, line *Line) (kept, adjusted, came, variance float64) {
	const step = 250 * time.Millisecond
	carry := 0.0
	for range int(time.Minute / step) {
		l.now = l.now.Add(step)
		carry += tracesPerSecond * step.Seconds() * (0.5 + l.Float64())
		n := math.Floor(carry)
		carry -= n
		if n == 0 {
			continue
		}
		t := unpack(pack(line.thresholdOf(r.probability(l.now, 10*n))))
		p := float64(keepNone-t) / keepNone
		got := 0.0
		for range int(n) {
			var id [16]byte
			binary.BigEndian.PutUint64(id[8:], l.Uint64())
			if randomness(id) >= t {
				got += 10
				adjusted += 10 / p
			}
			variance += 100 * (1 - p) / p
		}
		r.kept(got)
		kept += got
		came += 10 * n
	}
	return kept, adjusted, came, variance
}

func TestRateUnderChangingLoad(t *testing.T) {
	line := &Line{o: Options{Threshold: threshold}}
	for seed := range uint64(20) {
		l := &load{rand.New(rand.NewPCG(seed, 7)), time.Unix(epoch/1000, 0)}
		r := &rate{perSecond: 200}
		var adjusted, came, variance float64
		l.minute(r, 100, line) // until it has settled
		for _, traces := range []float64{100, 1000, 1000, 100, 100, 1000, 30, 300} {
			kept, a, c, v := l.minute(r, traces, line)
			if per := kept / 60; math.Abs(per-200) > 20 {
				t.Errorf("seed %d: at %v traces per second %.0f spans per second are kept, want 200", seed, traces, per)
			}
			adjusted, came, variance = adjusted+a, came+c, variance+v
		}
		// 3 for each of 20 would fail now and then; the seeds are fixed
		if off := math.Abs(adjusted-came) / math.Sqrt(variance); off > 4 {
			t.Errorf("seed %d: what was kept stands for %.0f spans of %.0f, %.1f sigma off", seed, adjusted, came, off)
		}
		// Below the rate all is kept.
		l.minute(r, 5, line)
		if kept, _, c, _ := l.minute(r, 5, line); kept != c {
			t.Errorf("seed %d: %v of %v spans are kept below the rate", seed, kept, c)
		}
	}
}

// TestCountsFromThresholds restores counts from the th of what comes out.
func TestCountsFromThresholds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rules := []Rule{
			{Name: "rate", When: `{ name = "busy" }`, Keep: Keep{SpansPerSecond: 20}, Per: []string{"resource.service.name"}},
			{Name: "rest", Keep: Keep{Probability: 0.1}},
		}
		w := start(t, crashfs.New(), newOutside(), Settings{Wait: 5 * time.Second, Remember: time.Minute, Rules: rules})
		r := rand.New(rand.NewPCG(3, 3))
		came := map[string]float64{}
		span := uint64(0)
		for range 600 { // a fifth of a second each
			var out []sp
			for _, c := range []struct {
				name, service string
				n             int
			}{{"busy", "a", 40}, {"busy", "b", 4}, {"quiet", "a", 10}} {
				for range r.IntN(2*c.n + 1) {
					span++
					out = append(out, sp{trace: span, id: span, name: c.name, service: c.service})
					came[c.name+c.service]++
				}
			}
			if len(out) > 0 {
				if err := w.send(out...); err != nil {
					t.Fatal(err)
				}
			}
			time.Sleep(200 * time.Millisecond)
		}
		time.Sleep(6 * time.Second)
		synctest.Wait()
		what := map[uint64]string{}
		for _, spans := range w.sent {
			for _, s := range spans {
				what[s.id] = s.name + s.service
			}
		}
		kept, adjusted, variance := map[string]float64{}, map[string]float64{}, map[string]float64{}
		for id, g := range w.got {
			p := 1.0
			if g.state != "" {
				p = probabilityOf(t, g.state)
			}
			k := what[id]
			kept[k]++
			adjusted[k] += 1 / p
			variance[k] += (1 - p) / (p * p)
		}
		for k, n := range came {
			if off := math.Abs(adjusted[k]-n) / math.Sqrt(variance[k]); off > 3 {
				t.Errorf("%s: %.0f spans came, and what is kept stands for %.0f, %.1f sigma off", k, n, adjusted[k], off)
			}
		}
		for _, service := range []string{"a", "b"} {
			if per := kept["busy"+service] / 120; per < 17 || per > 24 {
				t.Errorf("service %s: %.1f spans per second are kept, want 20 for each", service, per)
			}
		}
		w.stop()
	})
}

// TestRateOfALine has the load of one service change tenfold while another stays
// as it is: of each so much is kept in each minute, and stands for what came. In
// the last two minutes the clock jumps, which costs the rate some seconds.
func TestRateOfALine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const perSecond = 15
		rules := []Rule{{Name: "rate", Keep: Keep{SpansPerSecond: perSecond}, Per: []string{"resource.service.name"}}}
		w := start(t, crashfs.New(), newOutside(), Settings{Wait: 5 * time.Second, Remember: time.Minute, Rules: rules})
		r := rand.New(rand.NewPCG(5, 3))
		type came struct {
			service string
			minute  int
		}
		var all []came // by the number of the span
		wrong := time.Duration(0)
		for minute, load := range []int{30, 300, 300, 30, 300, 30} {
			if minute >= 4 {
				wrong = []time.Duration{time.Hour, -time.Hour}[minute-4]
			}
			for range 300 { // a fifth of a second each
				var out []sp
				for _, of := range []struct {
					service string
					spans   int
				}{{"a", load / 5}, {"b", 8}} {
					for range r.IntN(2*of.spans + 1) {
						all = append(all, came{of.service, minute})
						n := uint64(len(all))
						out = append(out, sp{trace: n, id: n, name: "work", service: of.service})
					}
				}
				rec := record(out...)
				rec.Time = rec.Time.Add(wrong)
				if _, err := w.sp.Append(rec); err != nil {
					t.Fatal(err)
				}
				time.Sleep(200 * time.Millisecond)
			}
		}
		time.Sleep(6 * time.Second)
		synctest.Wait()
		kept := map[came]float64{}
		adjusted, variance, sent := map[string]float64{}, map[string]float64{}, map[string]float64{}
		for _, c := range all {
			sent[c.service]++
		}
		for id, g := range w.got {
			c, p := all[id-1], 1.0
			if g.state != "" {
				p = probabilityOf(t, g.state)
			}
			kept[c]++
			adjusted[c.service] += 1 / p
			variance[c.service] += (1 - p) / (p * p)
		}
		for c, n := range kept {
			most := perSecond / 10.0
			if c.minute >= 4 {
				most *= 2
			}
			if per := n / 60; c.minute > 0 && math.Abs(per-perSecond) > most {
				t.Errorf("service %s, minute %d: %.1f spans per second are kept, want %d", c.service, c.minute, per, perSecond)
			}
		}
		for service, n := range sent {
			if off := math.Abs(adjusted[service]-n) / math.Sqrt(variance[service]); off > 3 {
				t.Errorf("service %s: %.0f spans came, and what is kept stands for %.0f, %.1f sigma off", service, n, adjusted[service], off)
			}
		}
		w.stop()
	})
}

// probabilityOf reads ot=th:..., the leading digits of a threshold.
func probabilityOf(t *testing.T, state string) float64 {
	t.Helper()
	digits, ok := strings.CutPrefix(state, "ot=th:")
	n, err := strconv.ParseUint(digits+strings.Repeat("0", 14-len(digits)), 16, 64)
	if !ok || err != nil {
		t.Fatalf("tracestate %q: %v", state, err)
	}
	return float64(keepNone-n) / keepNone
}
