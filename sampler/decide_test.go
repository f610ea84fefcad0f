package sampler

import (
	"encoding/hex"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"appliance/internal/otlpwire"

	"pgregory.net/rapid"
)

const (
	halfID = "fefefefefefefefefe80000000000000" // passes at 50 %, and at nothing less
	topID  = "111111111111111111ffffffffffffff" // passes at any probability
)

// failer is a test or a property.
type failer interface {
	Helper()
	Fatal(args ...any)
}

func mustRate(t failer, mode Mode, p float64, precision int) *Rate {
	t.Helper()
	r, err := NewRate(mode, p, precision, 7)
	if err != nil {
		t.Fatal(err)
	}
	return &r
}

func spanOf(t testing.TB, id, ts string) *otlpwire.Span {
	t.Helper()
	raw, err := hex.DecodeString(id)
	if err != nil {
		t.Fatal(err)
	}
	return &otlpwire.Span{TraceID: raw, TraceState: []byte(ts)}
}

// verdict is the decision in short: the outgoing tracestate in brackets, or the
// reason for dropping.
func verdict(d Decision, sp *otlpwire.Span) string {
	if !d.Keep {
		return "dropped: " + d.Reason.String()
	}
	return "[" + string(d.AppendTraceState(nil, sp.TraceState)) + "]"
}

// What the specification and the Collector want of a single span.
func TestDecideVectors(t *testing.T) {
	const dropped = "dropped: probability"
	for _, v := range []struct {
		name         string
		p            float64
		precision    int
		id, ts       string
		equalizing   string
		proportional string // "" is as equalizing
	}{
		{"all", 1, 4, halfID, "", "[]", ""},
		{"half, just kept", .5, 4, halfID, "", "[ot=th:8]", ""},
		{"49 %, just dropped", .49, 4, halfID, "", dropped, ""},
		{"a quarter, just kept", .25, 4, "ddddddddddddddddddc0000000000000", "", "[ot=th:c]", ""},
		{"a quarter, just dropped", .25, 4, "ddddddddddddddddddbfffffffffffff", "", dropped, ""},
		{"byte 8 of the id does not matter", .5, 4, "000000000000000000ffffffffffffff", "", "[ot=th:8]", ""},
		{"byte 9 does", .5, 4, "ffffffffffffffffff00000000000000", "", dropped, ""},
		{"1 % by rv, full precision, just kept", .01, 14, halfID, "ot=rv:FD70A3D70A3D71", "[ot=rv:FD70A3D70A3D71;th:fd70a3d70a3d71]", ""},
		{"1 % by rv, full precision, just dropped", .01, 14, topID, "ot=rv:FD70A3D70A3D70", dropped, ""},
		{"1 % by rv at precision 4", .01, 4, halfID, "ot=rv:FD70A3D70A3D71", "[ot=rv:FD70A3D70A3D71;th:fd70a]", ""},
		{"1 % by rv at precision 3 rounds up", .01, 3, halfID, "ot=rv:FD70A3D70A3D71", dropped, ""},
		{"40 % at precision 3", .4, 3, halfID, "ot=rv:a0000000000000", "[ot=rv:a0000000000000;th:99a]", ""},
		{"came at 50 %, zeros and all", .5, 4, halfID, "ot=rv:90000000000000;th:80000000000000", "[ot=rv:90000000000000;th:80000000000000]", dropped},
		{"came at 50 %, 25 % wanted, dropped", .25, 4, halfID, "ot=th:8", dropped, ""},
		{"came at 50 %, 25 % wanted, kept", .25, 4, topID, "ot=th:8", "[ot=th:c]", "[ot=th:e]"},
		{"came at 50 %, 50 % wanted", .5, 4, halfID, "ot=rv:c0000000000000;th:8", "[ot=rv:c0000000000000;th:8]", "[ot=rv:c0000000000000;th:c]"},
		{"came at 50 %, 40 % at precision 6", .4, 6, "a0a0a0a0a0a0a0a0a0d0000000000000", "ot=th:8", "[ot=th:99999a]", "[ot=th:cccccd]"},
		{"came at 50 %, 40 %, between", .4, 3, "a0a0a0a0a0a0a0a0a0b0000000000000", "ot=th:8", "[ot=th:99a]", dropped},
		{"came at less than is wanted", .5, 4, topID, "ot=th:fffc", "[ot=th:fffc]", "[ot=th:fffe]"},
		{"2^-14 of 2^-14", 0x1p-14, 4, topID, "ot=th:fffc", "[ot=th:fffc]", "[ot=th:fffffff]"},
		{"less than 2^-56", 1. / 1600, 4, topID, "ot=th:fffffffffffff8", "[ot=th:fffffffffffff8]", dropped},
		{"a little less than 2^-56", .1, 4, topID, "ot=th:fffffffffffff8", "[ot=th:fffffffffffff8]", dropped},
		{"nearly all", 1 - 8e-7, 10, topID, "", "[ot=th:00000d6bf94d6]", ""},
		{"all of what came", 1, 1, "11111111111111111155555555555556", "ot=th:55555555555556", "[ot=th:55555555555556]", ""},
		{"rounding never lowers th", 1 - 0x1p-50, 1, topID, "ot=th:5555555555555f", "[ot=th:5555555555555f]", ""},
		{"false th at 100 %", 1, 4, halfID, "ot=rv:40000000000000;th:8", "[ot=rv:40000000000000]", ""},
		{"false th, alone", 1, 4, halfID, "ot=th:81", "[]", ""},
		{"false th, others stay", 1, 4, halfID, "a=1,ot=th:81;x:1,b=2", "[ot=x:1,a=1,b=2]", ""},
		{"false th at 50 %", .5, 4, halfID, "ot=th:81", "[ot=th:8]", ""},
		{"false th at 49 %", .49, 4, halfID, "ot=th:81", dropped, ""},
		{"none", 0, 4, topID, "", "dropped: zero", ""},
		{"none, unreadable", 0, 4, topID, "=", "dropped: zero", ""},
		{"unreadable at 50 %", .5, 4, halfID, "ot=th:xyz,a=1", "[ot=th:xyz,a=1]", ""},
		{"unreadable at 49 %", .49, 4, halfID, "ot=rv:ffffffffffffff;th:xyz", dropped, ""},
		{"unchanged is untouched", .5, 4, halfID, " a=1 , ot=x:1;th:8", "[ a=1 , ot=x:1;th:8]", "dropped: probability"},
		{"changed goes first", .5, 4, halfID, " a=1 , ot=x:1;th:4 ,,b=2", "[ot=th:8;x:1,a=1,b=2]", "dropped: probability"},
		{"no room", .5, 4, halfID, "ot=x:" + strings.Repeat("v", 252), "[ot=x:" + strings.Repeat("v", 252) + "]", ""},
		{"no room for a longer th", .1, 4, topID, "ot=th:4;x:" + strings.Repeat("v", 249), "[ot=x:" + strings.Repeat("v", 249) + "]", ""},
		{"an id of another length", .0001, 4, "ff", "", "[ot=th:fff9724]", ""},
	} {
		for _, mode := range []Mode{Equalizing, Proportional} {
			want := v.equalizing
			if mode == Proportional && v.proportional != "" {
				want = v.proportional
			}
			sp := spanOf(t, v.id, v.ts)
			d := checkDecision(t, mustRate(t, mode, v.p, v.precision), Always, sp)
			if got := verdict(d, sp); got != want {
				t.Errorf("%s, %s: %s, want %s", v.name, mode, got, want)
			}
		}
	}
}

func TestDecidePriority(t *testing.T) {
	for _, v := range []struct {
		p, priority float64
		ts, want    string
	}{
		{0, 1, "", "[ot=th:0]"},
		{1, 1, "", "[ot=th:0]"},
		{.01, 2, "a=1", "[ot=th:0,a=1]"},
		{.01, .5, "ot=th:4", "[ot=th:4]"},    // never lowered
		{.01, 1, "ot=th:81", "[ot=th:0]"},    // false
		{.01, 1, "ot=th:xyz", "[ot=th:xyz]"}, // unreadable
		{1, 0, "", "dropped: priority"},      //
		{1, math.Copysign(0, -1), "ot=th:0", "dropped: priority"},
		{1, -1, "", "[]"},
		{0, -1, "", "dropped: zero"},
		{.49, math.NaN(), "", "dropped: probability"},
	} {
		for _, mode := range []Mode{Equalizing, Proportional, HashSeed} {
			sp := spanOf(t, halfID, v.ts)
			sp.Priority, sp.HasPriority = v.priority, true
			d := checkDecision(t, mustRate(t, mode, v.p, 4), Never, sp)
			if v.priority > 0 || v.priority == 0 || v.p == 0 {
				if got := verdict(d, sp); got != v.want {
					t.Errorf("%s at %v with priority %v, %q: %s, want %s", mode, v.p, v.priority, v.ts, got, v.want)
				}
			} else if d.Keep {
				t.Errorf("priority %v passes a threshold of never", v.priority)
			}
		}
		sp := spanOf(t, halfID, v.ts)
		sp.Priority, sp.HasPriority = v.priority, true
		if got := verdict(Decide(mustRate(t, Equalizing, v.p, 4), Always, sp), sp); got != v.want {
			t.Errorf("at %v with priority %v, %q: %s, want %s", v.p, v.priority, v.ts, got, v.want)
		}
	}
}

func TestDecideHashSeed(t *testing.T) {
	// A span that brings randomness is equalized, one that does not is hashed
	// and leaves without th.
	for _, v := range []struct {
		ts     string
		source Source
	}{
		{"", FromHash}, {"ot=x:1,a=1", FromHash}, {"unreadable", FromHash},
		{"ot=th:81", FromHash}, // false: as if it had not come
		{"ot=th:4", FromTraceID}, {"ot=rv:ffffffffffffff", FromRV}, {"ot=rv:ffffffffffffff;th:8", FromRV},
	} {
		sp := spanOf(t, halfID, v.ts)
		if d := checkDecision(t, mustRate(t, HashSeed, 0.5, 4), Always, sp); d.Source != v.source {
			t.Errorf("%q: randomness from the %v", v.ts, d.Source)
		}
	}
	sp := spanOf(t, halfID, "a=1,ot=th:81")
	if got := verdict(Decide(mustRate(t, HashSeed, 1, 4), Always, sp), sp); got != "[a=1]" {
		t.Errorf("a false th becomes %s", got)
	}
}

func TestDecideRaised(t *testing.T) {
	rate := mustRate(t, Equalizing, 0.5, 4)
	for _, v := range []struct {
		rv, want string
	}{
		{"70000000000000", "dropped: probability"},
		{"80000000000000", "dropped: target"},
		{"bfffffffffffff", "dropped: target"},
		{"c0000000000000", "[ot=rv:c0000000000000;th:c]"},
	} {
		sp := spanOf(t, topID, "ot=rv:"+v.rv)
		d := checkDecision(t, rate, 0xc<<52, sp)
		if got := verdict(d, sp); got != v.want {
			t.Errorf("rv %s: %s, want %s", v.rv, got, v.want)
		}
	}
}

// drawSpan is any span, with rv and th or without; th is true more often than not.
func drawSpan(t *rapid.T) *otlpwire.Span {
	id := rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "trace id")
	r := uint64(traceIDRandomness(id))
	var subs []string
	if rapid.Bool().Draw(t, "has rv") {
		r = rapid.Uint64Range(0, randomBound-1).Draw(t, "rv")
		subs = append(subs, "rv:"+Randomness(r).String())
	}
	if rapid.Bool().Draw(t, "has th") {
		top := rapid.SampledFrom([]uint64{r, r, randomBound - 1}).Draw(t, "highest th")
		th := Threshold(rapid.Uint64Range(0, top).Draw(t, "th"))
		subs = append(subs, "th:"+th.String())
	}
	ts := strings.Join(subs, ";")
	if ts != "" {
		ts = "ot=" + ts
	}
	return &otlpwire.Span{TraceID: id, TraceState: []byte(ts)}
}

func TestKeptSetsNest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		mode := rapid.SampledFrom([]Mode{Equalizing, Proportional, HashSeed}).Draw(t, "mode")
		precision := rapid.IntRange(1, 14).Draw(t, "precision")
		p := rapid.Float64Range(1./16384, 1).Draw(t, "p")
		q := rapid.Float64Range(p, 1).Draw(t, "q, at least p")
		sp := drawSpan(t)
		low, high := Decide(mustRate(t, mode, p, precision), Always, sp), Decide(mustRate(t, mode, q, precision), Always, sp)
		if low.Keep && !high.Keep {
			t.Fatalf("kept at %v (threshold %v) but not at %v (threshold %v)", p, low.Threshold, q, high.Threshold)
		}
		// Raising by a target drops more, never less.
		raised := Threshold(rapid.Uint64Range(0, randomBound).Draw(t, "raised"))
		if Decide(mustRate(t, mode, p, precision), raised, sp).Keep && !low.Keep {
			t.Fatalf("raising to %v keeps what %v drops", raised, p)
		}
	})
}

// Equalizing twice is equalizing to the lower probability, in verdict and in tracestate.
func TestTwoEqualizersAreTheLowerOne(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := rapid.Float64Range(1e-9, 1).Draw(t, "p")
		q := rapid.Float64Range(1e-9, 1).Draw(t, "q")
		precision := rapid.IntRange(1, 14).Draw(t, "precision")
		sp := drawSpan(t)
		once := Decide(mustRate(t, Equalizing, min(p, q), precision), Always, sp)
		wantOut := string(once.AppendTraceState(nil, sp.TraceState))

		first := Decide(mustRate(t, Equalizing, p, precision), Always, sp)
		if !first.Keep {
			if once.Keep {
				t.Fatalf("%v drops what %v keeps", p, min(p, q))
			}
			return
		}
		between := &otlpwire.Span{TraceID: sp.TraceID, TraceState: first.AppendTraceState(nil, sp.TraceState)}
		second := Decide(mustRate(t, Equalizing, q, precision), Always, between)
		if second.Keep != once.Keep {
			t.Fatalf("%v then %v: keep is %v; %v alone: %v", p, q, second.Keep, min(p, q), once.Keep)
		}
		if got := string(second.AppendTraceState(nil, between.TraceState)); second.Keep && got != wantOut {
			t.Fatalf("%v then %v: %q; %v alone: %q", p, q, got, min(p, q), wantOut)
		}
	})
}

// The same on a million traces, through Sample.
func TestMillionTracesThroughTwo(t *testing.T) {
	for _, v := range [][2]float64{{1. / 3, 1. / 10}, {1. / 10, 1. / 3}, {1, 1. / 100}, {1. / 100, 1. / 100}} {
		first, second := mustNew(t, Config{Probability: v[0]}), mustNew(t, Config{Probability: v[1]})
		alone := mustNew(t, Config{Probability: min(v[0], v[1])})
		var buf1, buf2, buf3 []byte
		kept := 0
		for _, sp := range randomSpans(rand.New(rand.NewPCG(26, 27)), fewer(1_000_000)) {
			var v1, v2, v3 otlpwire.Verdict
			v1, _, buf1 = first.Sample(&sp, buf1)
			v3, _, buf3 = alone.Sample(&sp, buf3)
			between := sp
			if v1.Rewrite {
				between.TraceState = v1.TraceState
			}
			v2, _, buf2 = second.Sample(&between, buf2)
			if v3.Keep != (v1.Keep && v2.Keep) {
				t.Fatalf("trace %x: %v, then %v; %v alone", sp.TraceID, v1.Keep, v2.Keep, v3.Keep)
			}
			if !v3.Keep {
				continue
			}
			kept++
			out := between.TraceState
			if v2.Rewrite {
				out = v2.TraceState
			}
			if string(out) != string(v3.TraceState) {
				t.Fatalf("trace %x leaves two with %q, and one with %q", sp.TraceID, out, v3.TraceState)
			}
		}
		if kept == 0 {
			t.Errorf("%v: nothing is kept", v)
		}
	}
}
