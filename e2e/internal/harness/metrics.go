package harness

import (
	"bufio"
	"bytes"
	"strconv"
	"strings"
	"testing"
)

// Metrics reads /metrics: the text, and the value of each sample by its name
// and labels as they stand there.
func (a *Appliance) Metrics(t testing.TB) (text []byte, samples map[string]float64) {
	t.Helper()
	text, err := a.get(t.Context(), "/metrics", "text/plain")
	if err != nil {
		t.Fatalf("read metrics: %v", err)
	}
	samples = map[string]float64{}
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := lines.Text()
		i := strings.LastIndexByte(line, ' ')
		if i < 0 || line[0] == '#' {
			continue
		}
		v, err := strconv.ParseFloat(line[i+1:], 64)
		if err != nil {
			t.Fatalf("parse metric %q: %v", line, err)
		}
		samples[line[:i]] = v
	}
	return text, samples
}

// Goroutines is the number of goroutines that the appliance says it has.
func (a *Appliance) Goroutines(t testing.TB) int {
	t.Helper()
	_, samples := a.Metrics(t)
	n, ok := samples["go_goroutines"]
	if !ok {
		t.Fatal("metrics have no go_goroutines")
	}
	return int(n)
}
