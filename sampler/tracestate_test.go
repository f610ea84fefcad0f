package sampler

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/open-telemetry/opentelemetry-collector-contrib/pkg/sampling"
)

// rewritten is what the Collector's library makes of a tracestate whose th is
// replaced; ok is false where it cannot read it.
func rewritten(t testing.TB, ts string, th Threshold) (out string, ok bool) {
	w3c, err := sampling.NewW3CTraceState(ts)
	if err != nil {
		return "", false
	}
	w3c.OTelValue().ClearTValue()
	if th < Never {
		threshold, err := sampling.UnsignedToThreshold(uint64(th))
		if err != nil {
			t.Fatal(err)
		}
		if err := w3c.OTelValue().UpdateTValueWithSampling(threshold); err != nil {
			t.Fatal(err)
		}
	}
	var b strings.Builder
	if err := w3c.Serialize(&b); err != nil {
		t.Fatal(err)
	}
	return b.String(), true
}

// checkTraceState holds reading and rewriting against the Collector's library.
func checkTraceState(t testing.TB, ts string, th Threshold) {
	s := scanTraceState([]byte(ts))
	w3c, err := sampling.NewW3CTraceState(ts)
	if (s.problem == readable) != (err == nil) {
		t.Fatalf("%q: problem %q, the Collector says %v", ts, s.problem.String(), err)
	}
	if err != nil {
		return
	}
	wantTH, hasTH := w3c.OTelValue().TValueThreshold()
	if s.hasTH != hasTH || hasTH && uint64(s.th) != wantTH.Unsigned() {
		t.Fatalf("%q: th %v, %v; the Collector says %v, %v", ts, s.th, s.hasTH, wantTH.TValue(), hasTH)
	}
	wantRV, hasRV := w3c.OTelValue().RValueRandomness()
	if (s.rvFrom > 0) != hasRV || hasRV && uint64(s.rv) != wantRV.Unsigned() {
		t.Fatalf("%q: rv %v at %d; the Collector says %v, %v", ts, s.rv, s.rvFrom, wantRV.RValue(), hasRV)
	}
	for _, th := range []Threshold{th, Never} {
		want, _ := rewritten(t, ts, th)
		got := string(s.appendTo([]byte("before"), []byte(ts), th))
		if got != "before"+want {
			t.Fatalf("%q with th %v: %q; the Collector writes %q", ts, th, got, want)
		}
		// What fits is exactly what the Collector can read again.
		if th < Never {
			back, err := sampling.NewW3CTraceState(want)
			if fits := s.fits([]byte(ts), th); fits != (err == nil) {
				t.Fatalf("%q with th %v: fits is %v, the Collector reads %q: %v", ts, th, fits, want, err)
			} else if fits && back.OTelValue().TValue() != th.String() {
				t.Fatalf("%q: the Collector reads th %q back", want, back.OTelValue().TValue())
			}
		}
	}
}

func TestScanTraceState(t *testing.T) {
	long := strings.Repeat("v", 256)
	list := func(n int, sep string) string {
		var m []string
		for i := range n {
			m = append(m, fmt.Sprintf("k%d=v", i))
		}
		return strings.Join(m, sep)
	}
	const key, val, ot, th, rv = "a key is malformed", "a value is malformed or longer than 256 characters",
		"the ot member is not a list of key:value", "th is not 1 to 14 hex digits", "rv is not 14 hex digits"
	for _, v := range []struct{ ts, problem string }{
		{"", ""}, {" ", ""}, {",", ""}, {" ,\t, ", ""},
		{"ot=th:0", ""}, {"ot=th:8;rv:11223344556677", ""}, {"ot=rv:ABCDEFabcdef01;th:F", ""},
		{"ot=a:;b:.-_Z9;th:8", ""}, {"ot=k1:13", ""},
		{"a=1,ot=th:8,b=2", ""}, {" a=1 ,\tot=th:8\t,, b= 2 ", ""},
		{"ot=th:8,ot=rv:00000000000000", ""}, {"ot=th:8;th:4", ""}, {"a=1,a=2", ""},
		{"1a@b=x", ""}, {"a_-*/9@b_-*/9=x", ""}, {"a= !~+;:<>@[]{}\"\\x", ""},
		{"a=" + long, ""}, {"a=" + long + "v", val}, {"a=" + long + "  ", ""},
		{strings.Repeat("k", 256) + "=v", ""}, {strings.Repeat("k", 257) + "=v", key},
		{strings.Repeat("k", 241) + "@" + strings.Repeat("s", 14) + "=v", ""},
		{strings.Repeat("k", 242) + "@s=v", key}, {"k@" + strings.Repeat("s", 15) + "=v", key},
		{list(31, ","), ""}, {list(32, ","), "it lists more than 31 members"}, {list(31, ",") + ",", ""},
		{list(16, ",,"), ""}, {list(17, ",,"), "it lists more than 31 members"},
		{"a=" + long + ",b=" + long + ",c=" + long + ",d=" + long[:1023-779] + ",", ""},
		{"a=" + long + ",b=" + long + ",c=" + long + ",d=" + long[:1024-779], ""},
		{"a=" + long + ",b=" + long + ",c=" + long + ",d=" + long[:1025-779], "it is longer than 1024 bytes"},
		{"a", key}, {"=v", key}, {"a=", val}, {"a= ", val}, {"a==", val}, {"a=b=c", val},
		{"A=1", key}, {"1a=1", key}, {"é=1", key}, {"a=é", val}, {"a=b\tc", val}, {"a=b\n", val}, {"a\t=b", key},
		{"@b=1", key}, {"a@=1", key}, {"a@1=1", key}, {"a@b@c=1", key}, {"A@b=1", key}, {"a@bC=1", key}, {"aB@c=1", key},
		{"ot=", val}, {"ot=x", ot}, {"ot=th", ot}, {"ot=:8", ot}, {"ot=th:8;", ot}, {"ot=;th:8", ot}, {"ot=th:8;;a:1", ot},
		{"ot=TH:8", ot}, {"ot=1a:8", ot}, {"ot=a_b:8", ot}, {"ot=a:b:c", ot}, {"ot=a:b c", ot}, {"ot=a:+", ot},
		{"ot=th:", th}, {"ot=th:x", th}, {"ot=th:0x1", th}, {"ot=th:-1", th}, {"ot=th:123456789012345", th},
		{"ot=rv:", rv}, {"ot=rv:1", rv}, {"ot=rv:1234567890123", rv}, {"ot=rv:123456789012345", rv}, {"ot=rv:1234567890123g", rv},
		{"ot=th:x,ot=th:8", th}, {"ot=th:8,ot=th:x", th}, {"ot=th:8,B=1", key},
	} {
		if got := scanTraceState([]byte(v.ts)); got.problem.String() != v.problem {
			t.Errorf("%q: problem is %q, want %q", v.ts, got.problem.String(), v.problem)
		}
		checkTraceState(t, v.ts, 0xe666<<40)
		checkTraceState(t, v.ts, Always)
	}
}

func TestRewriteTraceState(t *testing.T) {
	for _, v := range []struct {
		ts   string
		th   Threshold
		want string
	}{
		{"", 0xe666 << 40, "ot=th:e666"},
		{"", Never, ""},
		{"ot=th:8", Never, ""},
		{"ot=th:8,a=1", Never, "a=1"},
		{"a=1, ot=x:1;th:8;rv:00000000000Abc ,b= 2\t", 0xc << 52, "ot=rv:00000000000Abc;th:c;x:1,a=1,b= 2"},
		{"a=1,ot=p:8;r:62,b=2", 0, "ot=th:0;p:8;r:62,a=1,b=2"},
		{"ot=th:8;x:1,a=1,ot=y:2,ot@b=3,otx=4", 0xc << 52, "ot=th:c;y:2,a=1,ot@b=3,otx=4"},
		{",,a=1,,", 0xc << 52, "ot=th:c,a=1"},
		{"ot=x:1;x:2;thx:3;rvx:4", 0xc << 52, "ot=th:c;x:1;x:2;thx:3;rvx:4"},
	} {
		s := scanTraceState([]byte(v.ts))
		if got := string(s.appendTo(nil, []byte(v.ts), v.th)); got != v.want {
			t.Errorf("%q with %v: %q, want %q", v.ts, v.th, got, v.want)
		}
	}
}

func TestFits(t *testing.T) {
	sub := func(n int) string { return "ot=x:" + strings.Repeat("v", n-2) }
	members := strings.TrimSuffix(strings.Repeat("a=1,", 31), ",")
	for _, v := range []struct {
		name, ts string
		fits     bool
	}{
		{"ot grows to 256", sub(256 - len(";th:e666")), true},
		{"ot grows to 257", sub(257 - len(";th:e666")), false},
		{"ot has th already and stays at 256", sub(256-len(";th:1234")) + ";th:1234", true},
		{"ot has a shorter th and would be 257", sub(256-len(";th:123")) + ";th:123", false},
		{"30 others", strings.TrimSuffix(members, ",a=1"), true},
		{"31 others", members, false},
		{"30 others and ot", "ot=th:8" + strings.TrimSuffix(members, "a=1")[3:] + "a=1", true},
	} {
		s := scanTraceState([]byte(v.ts))
		if s.problem != readable {
			t.Fatalf("%s: %v", v.name, s.problem)
		}
		if got := s.fits([]byte(v.ts), 0xe666<<40); got != v.fits {
			t.Errorf("%s: fits is %v", v.name, got)
		}
		checkTraceState(t, v.ts, 0xe666<<40)
	}
}

// randomTraceState is a tracestate as a careless world might write it.
func randomTraceState(rng *rand.Rand) string {
	pick := func(of ...string) string { return of[rng.IntN(len(of))] }
	blank := func() string { return pick("", "", "", "", " ", "\t", "  ") }
	hex := func(n int) string {
		const lower, mixed = "0123456789abcdef", "0123456789abcdefABCDEF"
		digits := pick(lower, lower, mixed)
		b := make([]byte, n)
		for i := range b {
			b[i] = digits[rng.IntN(len(digits))]
		}
		return string(b)
	}
	sub := func() string {
		switch rng.IntN(12) {
		case 0, 1, 2, 3:
			return "th:" + pick("0", "8", "c", "e666", "80", hex(1+rng.IntN(14)))
		case 4, 5, 6:
			return "rv:" + hex(14)
		case 7:
			return pick("th:", "th:xyz", "rv:12", "rv:"+hex(15), "th:"+hex(15), "TH:8", "x", "a:b:c", "a:+", "")
		}
		return pick("a", "p", "x1", "thx", "longkey") + ":" + pick("", "1", "A.b-c_9", strings.Repeat("z", rng.IntN(120)))
	}
	member := func() string {
		switch rng.IntN(10) {
		case 0, 1, 2, 3:
			subs := make([]string, 1+rng.IntN(4))
			for i := range subs {
				subs[i] = sub()
			}
			return "ot=" + strings.Join(subs, ";")
		case 4:
			return ""
		case 5:
			return pick("a", "A=1", "a=", "a==b", "x@y@z=1", "a=\x01", "ot", "ot=", "9=1", "k="+strings.Repeat("v", 256+rng.IntN(3)))
		}
		return pick("congo", "rojo", "es", "1t@dd", "a/b*c", "ott", "ot@x") + "=" + pick("t61rcWkgMzE", "00f067aa0ba902b7", " s:2;o:rum", strings.Repeat("v", 1+rng.IntN(250)))
	}
	n := rng.IntN(6)
	if rng.IntN(20) == 0 {
		n = 25 + rng.IntN(12)
	}
	var members []string
	for range n {
		members = append(members, blank()+member()+blank())
	}
	return strings.Join(members, ",")
}

func TestRandomTraceStatesLikeTheCollector(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	fine := 0
	n := fewer(50_000)
	for range n {
		ts := randomTraceState(rng)
		th := Threshold(rng.Uint64N(randomBound)) >> (4 * rng.IntN(14)) << (4 * rng.IntN(14)) % randomBound
		checkTraceState(t, ts, th)
		if s := scanTraceState([]byte(ts)); s.problem == readable {
			fine++
		}
	}
	if fine < n/4 || fine > 3*n/4 {
		t.Errorf("%d of %d random tracestates are readable; the test wants a mixture", fine, n)
	}
}
