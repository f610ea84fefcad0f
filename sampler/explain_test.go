package sampler

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestExplain(t *testing.T) {
	yes, no := 1.0, 0.0
	tenth := Config{Probability: 0.1, Services: map[string]float64{"shop": 0.5}}
	const id, kept = "4bf92f3577b34da6a3ce929d0e0e4736", "4bf92f3577b34da6a3fe929d0e0e4736"
	for _, v := range []struct {
		name     string
		config   Config
		question Question
	}{
		{"dropped", tenth, Question{TraceID: id}},
		{"kept", tenth, Question{TraceID: strings.ToUpper(kept), TraceState: "a=1"}},
		{"service", tenth, Question{TraceID: id, Service: "shop", TraceState: "ot=th:4;rv:ffffffffffffff,a=1"}},
		{"untouched", Config{Probability: 1, TargetSpansPerSecond: 10}, Question{TraceID: id}},
		{"short_id", Config{Probability: 0.5}, Question{TraceID: " 7b "}},
		{"false_th", Config{Probability: 1}, Question{TraceID: id, TraceState: "ot=th:f"}},
		{"unreadable", tenth, Question{TraceID: kept, TraceState: "ot=th:\x1b[31mred"}},
		{"no_room", tenth, Question{TraceID: kept, TraceState: "ot=x:" + strings.Repeat("v", 254)}},
		{"priority", tenth, Question{TraceID: id, Priority: &yes}},
		{"priority_0", tenth, Question{TraceID: kept, Priority: &no}},
		{"zero", Config{}, Question{TraceID: kept}},
		{"hash_seed", Config{Probability: 0.5, Mode: HashSeed}, Question{TraceID: id}},
		{"underflow", Config{Probability: 1e-3, Mode: Proportional}, Question{TraceID: id, TraceState: "ot=rv:ffffffffffffff;th:fffffffffffff"}},
	} {
		t.Run(v.name, func(t *testing.T) {
			e, err := Explain(v.config, v.question)
			if err != nil {
				t.Fatal(err)
			}
			asJSON, err := json.MarshalIndent(e, "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			got := e.Text() + "\n" + string(asJSON) + "\n"
			golden := filepath.Join("testdata", "explain", v.name+".txt")
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
			if strings.ContainsAny(e.Text(), "\x1b") {
				t.Error("a control character gets through to the terminal")
			}
		})
	}
}

func TestExplainRefuses(t *testing.T) {
	for _, v := range []struct {
		config Config
		id     string
		want   string
	}{
		{Config{}, "", `parse trace id "": it has 0 characters; give 1 to 32 hex digits`},
		{Config{}, strings.Repeat("a", 33), `it has 33 characters; give 1 to 32 hex digits`},
		{Config{}, "xyz", `parse trace id "xyz": encoding/hex: invalid byte: U+0078 'x'; give 1 to 32 hex digits`},
		{Config{}, "000", `parse trace id "000": all zero is not a trace id`},
		{Config{Probability: 2}, "1", `sampler.probability: 2 is not between 0 and 1; for 2 % write 0.02`},
	} {
		if _, err := Explain(v.config, Question{TraceID: v.id}); err == nil || !strings.Contains(err.Error(), v.want) {
			t.Errorf("%q: %v, want %s", v.id, err, v.want)
		}
	}
}
