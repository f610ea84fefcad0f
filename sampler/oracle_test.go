package sampler

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"appliance/internal/otlpwire"

	"github.com/open-telemetry/opentelemetry-collector-contrib/pkg/sampling"
	"github.com/open-telemetry/opentelemetry-collector-contrib/processor/probabilisticsamplerprocessor"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/processor/processortest"
)

// peer is the Collector's probabilistic_sampler, which is held beside this one.
type peer struct {
	sink    *consumertest.TracesSink
	consume func(context.Context, ptrace.Traces) error
}

func newPeer(t testing.TB, mode Mode, p float64, seed uint32) *peer {
	t.Helper()
	factory := probabilisticsamplerprocessor.NewFactory()
	config := factory.CreateDefaultConfig().(*probabilisticsamplerprocessor.Config)
	config.Mode = probabilisticsamplerprocessor.SamplerMode(mode)
	config.SamplingPercentage = float32(p * 100)
	config.HashSeed = seed
	config.FailClosed = false
	if err := config.Validate(); err != nil {
		t.Fatal(err)
	}
	sink := new(consumertest.TracesSink)
	processor, err := factory.CreateTraces(t.Context(), processortest.NewNopSettings(factory.Type()), config, sink)
	if err != nil {
		t.Fatal(err)
	}
	return &peer{sink, processor.ConsumeTraces}
}

// kept gives the peer spans, and returns the tracestates of those that it keeps
// by their place in the slice.
func (o *peer) kept(t testing.TB, spans []otlpwire.Span) map[int]string {
	t.Helper()
	td := ptrace.NewTraces()
	list := td.ResourceSpans().AppendEmpty().ScopeSpans().AppendEmpty().Spans()
	list.EnsureCapacity(len(spans))
	for i, in := range spans {
		s := list.AppendEmpty()
		s.SetTraceID(pcommon.TraceID(in.TraceID))
		var place pcommon.SpanID
		binary.BigEndian.PutUint64(place[:], uint64(i)+1)
		s.SetSpanID(place)
		s.TraceState().FromRaw(string(in.TraceState))
		if in.HasPriority {
			s.Attributes().PutDouble("sampling.priority", in.Priority)
		}
	}
	if err := o.consume(t.Context(), td); err != nil {
		t.Fatal(err)
	}
	out := make(map[int]string)
	for _, td := range o.sink.AllTraces() {
		list := td.ResourceSpans().At(0).ScopeSpans().At(0).Spans()
		for i := range list.Len() {
			id := list.At(i).SpanID()
			out[int(binary.BigEndian.Uint64(id[:]))-1] = list.At(i).TraceState().AsRaw()
		}
	}
	o.sink.Reset()
	return out
}

// randomSpans have random trace ids.
func randomSpans(rng *rand.Rand, n int) []otlpwire.Span {
	spans := make([]otlpwire.Span, n)
	ids := make([]byte, 16*n)
	for i := range spans {
		id := ids[16*i : 16*i+16]
		binary.BigEndian.PutUint64(id, rng.Uint64())
		binary.BigEndian.PutUint64(id[8:], rng.Uint64())
		spans[i].TraceID = id
	}
	return spans
}

// A million traces, in every mode: the same ones are kept, they leave with the
// same th, and what they stand for adds up to what there was.
func TestMillionTracesLikeTheCollector(t *testing.T) {
	const batch = 50_000
	traces := fewer(1_000_000)
	for _, mode := range []Mode{Equalizing, Proportional, HashSeed} {
		for _, p := range []float64{1. / 10, 1. / 100, 1. / 3} {
			t.Run(fmt.Sprintf("%s at %.3g", mode, p), func(t *testing.T) {
				t.Parallel()
				const seed = 22
				config := Config{Mode: mode, Probability: p}
				if mode == HashSeed {
					config.HashSeed = seed
				}
				mine, err := New(config)
				if err != nil {
					t.Fatal(err)
				}
				collector := newPeer(t, mode, p, seed)
				rng := rand.New(rand.NewPCG(5, math.Float64bits(p)))
				here, gone := 0, 0
				var buf []byte
				sum := 0.0
				for range traces / batch {
					spans := randomSpans(rng, batch)
					theirs := collector.kept(t, spans)
					for i := range spans {
						var v otlpwire.Verdict
						var reason Reason
						v, reason, buf = mine.Sample(&spans[i], buf)
						if reason.Keeps() {
							here++
						} else {
							gone++
						}
						out, kept := theirs[i]
						if v.Keep != kept {
							t.Fatalf("trace %x: keep is %v, the Collector's %v", spans[i].TraceID, v.Keep, kept)
						}
						if !v.Keep {
							continue
						}
						if mode == HashSeed {
							if v.Rewrite {
								t.Fatalf("hash_seed writes %q", v.TraceState)
							}
							sum += 1 / mine.current.Load().standard.threshold.Probability()
							continue
						}
						if string(v.TraceState) != out {
							t.Fatalf("trace %x: %q, the Collector writes %q", spans[i].TraceID, v.TraceState, out)
						}
						th, ok := parseTH(v.TraceState[len("ot=th:"):])
						if !ok {
							t.Fatalf("no th in %q", v.TraceState)
						}
						sum += th.AdjustedCount()
					}
				}
				sigma := math.Sqrt(float64(traces) * (1 - p) / p)
				if math.Abs(sum-float64(traces)) > 3*sigma {
					t.Errorf("%d kept traces stand for %.0f, which is %.1f sigma from %d", here, sum, (sum-float64(traces))/sigma, traces)
				}
				if n := here + gone; n != traces {
					t.Errorf("%d traces counted of %d", n, traces)
				}
			})
		}
	}
}

// Random tracestates, random priorities, every mode and rates from 0 to 1. What is
// written is what the Collector writes; differences.md lists what is not.
func TestTraceStatesLikeTheCollector(t *testing.T) {
	rng := rand.New(rand.NewPCG(6, 7))
	for _, mode := range []Mode{Equalizing, Proportional, HashSeed} {
		for _, p := range []float64{0, 0.01, 0.1, 0.25, 1. / 3, 0.5, 0.9, 1} {
			spans := randomSpans(rng, fewer(5_000))
			for i := range spans {
				spans[i].TraceState = []byte(randomTraceState(rng))
				if rng.IntN(10) == 0 {
					spans[i].HasPriority, spans[i].Priority = true, float64(rng.IntN(4)-1)
				}
			}
			rate, err := NewRate(mode, p, 4, 9)
			if err != nil {
				t.Fatal(err)
			}
			compared := 0
			theirs := newPeer(t, mode, p, 9).kept(t, spans)
			for i := range spans {
				sp := &spans[i]
				d := checkDecision(t, &rate, Always, sp)
				out, kept := theirs[i]
				if same, why := sameAsCollector(&rate, &d, sp, kept, out); !same {
					t.Fatalf("%s at %v: trace %x with %q: %s, the Collector: %v %q: %s", mode, p, sp.TraceID, sp.TraceState, verdict(d, sp), kept, out, why)
				} else if why == "" {
					compared++
				}
			}
			if compared == 0 && p > 0 && mode != HashSeed {
				t.Errorf("%s at %v: not one span was compared to the byte", mode, p)
			}
		}
	}
}

// sameAsCollector compares a decision with what the Collector, failing open, did
// with the same span. Where they differ on purpose it says why, and holds the difference to that.
func sameAsCollector(rate *Rate, d *Decision, sp *otlpwire.Span, kept bool, theirs string) (same bool, why string) {
	ts := string(sp.TraceState)
	mine := string(d.AppendTraceState(nil, sp.TraceState))
	forced := d.Reason == KeptPriority || d.Reason == DroppedPriority
	switch {
	case rate.probability == 0 && !forced:
		return !d.Keep && kept == (!d.readable()), "" // at 0 % it keeps those that it cannot read
	case !forced && !d.readable():
		// It keeps all of them; here the trace id decides. Untouched by both.
		return kept && theirs == ts && mine == ts, "unreadable"
	case !forced && d.Inconsistent && rate.mode != HashSeed:
		// It keeps all of them, and says th:0; here th is erased, and then it is a span without.
		return kept, "inconsistent"
	case !forced && rate.mode == Proportional && rate.probability == 1 && d.usableTH() != Always:
		// It rounds what came to its precision, and drops what falls under
		// that; here all is kept as it came.
		return d.Keep && mine == ts, "proportional at 100 %"
	case rate.mode == HashSeed && !forced && (d.Source != FromHash || d.Inconsistent):
		// it keeps all of them untouched
		return kept && theirs == ts, "hash_seed on a span with rv or th"
	}
	if d.Keep != kept {
		return false, "verdict"
	}
	if !kept {
		return true, ""
	}
	if rate.mode == HashSeed {
		return true, "hash_seed writes rv there"
	}
	if !d.readable() {
		// at 0 % it writes half of what it could not read
		return mine == ts && (theirs == ts || rate.probability == 0), ""
	}
	if rate.probability == 0 && d.Inconsistent {
		return mine != theirs, "at 0 % it takes no notice of a false th"
	}
	if d.edit == setTH {
		return mine == theirs, ""
	}
	if d.Reason == KeptUnmarked || forced && d.edit == eraseTH {
		_, err := sampling.NewW3CTraceState(theirs)
		return err != nil, "no room: it writes what it cannot read"
	}
	// Nothing is written here; it writes all anew, in its own order, and th:0 where nothing came.
	// Where it would have lowered th, the digits of th are as they came.
	asCame, err := canonical(ts)
	anew, ok := rewritten(nil, ts, d.Threshold)
	return err == nil && ok && d.edit == leave && (theirs == anew || theirs == asCame && d.hasIncoming()), "untouched here"
}

// canonical is a tracestate as the Collector's library writes it.
func canonical(ts string) (string, error) {
	w3c, err := sampling.NewW3CTraceState(ts)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	err = w3c.Serialize(&b)
	return b.String(), err
}
