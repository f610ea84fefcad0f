package sampler

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/open-telemetry/opentelemetry-collector-contrib/pkg/sampling"
	"pgregory.net/rapid"
)

// The specification's thresholds for 1 in N, at precision 3, 4 and 5.
func TestThresholdOfOneInN(t *testing.T) {
	for _, v := range []struct {
		n  float64
		th [3]string
	}{
		{1, [3]string{"0", "0", "0"}},
		{2, [3]string{"8", "8", "8"}},
		{3, [3]string{"aab", "aaab", "aaaab"}},
		{4, [3]string{"c", "c", "c"}},
		{5, [3]string{"ccd", "cccd", "ccccd"}},
		{8, [3]string{"e", "e", "e"}},
		{10, [3]string{"e66", "e666", "e6666"}},
		{16, [3]string{"f", "f", "f"}},
		{100, [3]string{"fd71", "fd70a", "fd70a4"}},
		{1000, [3]string{"ffbe7", "ffbe77", "ffbe76d"}},
		{10000, [3]string{"fff972", "fff9724", "fff97247"}},
		{100000, [3]string{"ffff584", "ffff583a", "ffff583a5"}},
		{1000000, [3]string{"ffffef4", "ffffef39", "ffffef391"}},
	} {
		for i, want := range v.th {
			got, err := ThresholdOf(1/v.n, 3+i)
			if err != nil || got.String() != want {
				t.Errorf("1 in %v at precision %d: %v, %v; want %s", v.n, 3+i, got, err, want)
			}
		}
	}
}

func TestThresholdOfEdges(t *testing.T) {
	for _, v := range []struct {
		p         float64
		precision int
		th        string
	}{
		{0, 4, "never"},
		{0x1p-56, 14, "ffffffffffffff"},
		{0x1p-56, 1, "ffffffffffffff"},
		{0x1p-55, 4, "fffffffffffffe"},
		{1 - 0x1p-53, 4, "00000000000008"},
		{1 - 8e-7, 4, "00000d6c"},
		{1. / 3, 14, "aaaaaaaaaaaaac"},
		{0.01, 14, "fd70a3d70a3d71"},
		{0.4, 3, "99a"},
		{0.2, 6, "cccccd"},
		{0.75, 1, "4"},
	} {
		if got, err := ThresholdOf(v.p, v.precision); err != nil || got.String() != v.th {
			t.Errorf("ThresholdOf(%v, %d): %v, %v; want %s", v.p, v.precision, got, err, v.th)
		}
	}
	for _, p := range []float64{-1, -0x1p-60, 0x1p-57, 1 + 0x1p-52, 2, math.NaN(), math.Inf(1), math.Inf(-1)} {
		if got, err := ThresholdOf(p, 4); err == nil {
			t.Errorf("ThresholdOf(%v) is %v, want an error", p, got)
		}
	}
}

func TestThresholdOfIsTheCollectors(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range fewer(200_000) {
		p := math.Exp(-rng.Float64() * 38) // down to 2^-55
		if rng.IntN(4) == 0 {
			p = 1 - p
		}
		if p == 0 {
			continue
		}
		precision := 1 + rng.IntN(14)
		want, err := sampling.ProbabilityToThresholdWithPrecision(p, precision)
		if err != nil {
			t.Fatal(err)
		}
		got, err := ThresholdOf(p, precision)
		if err != nil || uint64(got) != want.Unsigned() || got.String() != want.TValue() {
			t.Fatalf("ThresholdOf(%v, %d): %v, %v; the Collector says %v", p, precision, got, err, want.TValue())
		}
		if got.Probability() != want.Probability() || got.AdjustedCount() != want.AdjustedCount() {
			t.Fatalf("%v: probability %v, count %v; the Collector says %v, %v", got, got.Probability(), got.AdjustedCount(), want.Probability(), want.AdjustedCount())
		}
	}
}

func TestParseTH(t *testing.T) {
	for _, v := range []struct {
		th   string
		want Threshold
		ok   bool
	}{
		{"0", 0, true},
		{"00000000000000", 0, true},
		{"8", 1 << 55, true},
		{"80", 1 << 55, true},
		{"1", 1 << 52, true},
		{"C", 3 << 54, true},
		{"fFfffffffffff8", Never - 8, true},
		{"ffffffffffffff", Never - 1, true},
		{"00000000000001", 1, true},
		{"", 0, false},
		{"000000000000000", 0, false},
		{"g", 0, false},
		{"-1", 0, false},
		{"0x1", 0, false},
		{"1_0", 0, false},
	} {
		if got, ok := parseTH([]byte(v.th)); ok != v.ok || ok && got != v.want {
			t.Errorf("parseTH(%q): %x, %v; want %x, %v", v.th, uint64(got), ok, uint64(v.want), v.ok)
		}
		if _, err := sampling.TValueToThreshold(v.th); (err == nil) != v.ok {
			t.Errorf("the Collector on th:%q: %v", v.th, err)
		}
	}
}

func TestTHRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		th := Threshold(rapid.Uint64Range(0, randomBound-1).Draw(t, "threshold"))
		if drop := rapid.IntRange(0, 13).Draw(t, "zeros"); drop > 0 {
			th = th >> (4 * drop) << (4 * drop)
		}
		text := th.AppendTH(nil)
		if back, ok := parseTH(text); !ok || back != th {
			t.Fatalf("%x is written %s and read %x", uint64(th), text, uint64(back))
		}
	})
	if got := Never.AppendTH([]byte("x")); string(got) != "x" {
		t.Errorf("never is written %q", got)
	}
}
