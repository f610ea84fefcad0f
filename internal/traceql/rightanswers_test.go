package traceql

import (
	"context"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// TestRightAnswers has, for the words of docs/traceql.md, "Where answers
// differ", what is right in the record's dataset. Spans are given by the last
// six digits of their ids, whose first three are those of the trace.
func TestRightAnswers(t *testing.T) {
	for _, c := range []struct{ why, query, want string }{
		{"since", `{ event:timeSinceStart = 10ms }`, "018001 018003"},
		{"since", `{ event:timeSinceStart > 100ms && event:timeSinceStart < 1s && rootServiceName = "e-events" }`, "018002"},
		{"order", `{ span.mixed < "7" }`, "002008"},
		{"order", `{ span.mixed > "7" }`, "002007 00200d"},
		{"order", `{ rootName = "R" && name < "R.B" }`, "01b001 01b002 01b005 01b006 01b007 01b008"},
		{"negative", `{ resource.service.name =~ "e-(odd|long)" && duration = 1ns }`, "00e004"},
		{"negative", `{ traceDuration > 1h10m }`, ""},
		{"negative", `{ traceDuration >= 1h }`, "011001 011002"},
		{"array", `{ span.t.ints + 1 = 2 }`, ""},
		{"pattern", `{ name =~ span.path }`, ""},
		{"ancestors", `{ status = error } &<< { span.level >= 2 }`, "01b009 01b00a"},
		{"select", `select(span.amount) | { span.amount > 10000 }`, "01d010"},
		{"whole", `{ span.val =~ "(0123456789abcdef){320}" }`, "023002"},
		{"later", `{ resource.service.name = "e-types" && span.t.str = nil }`, "001001 001004"},
	} {
		var got []string
		for _, trace := range searchRecord(t, c.query, 500) {
			for _, set := range trace.SpanSets {
				for _, s := range set.Spans {
					id := hex.EncodeToString(s.ID[:])
					got = append(got, id[1:4]+id[13:])
				}
			}
		}
		slices.Sort(got)
		if text := strings.Join(got, " "); text != c.want {
			t.Errorf("%s: %s\nwant %s\ngot  %s", c.why, c.query, c.want, text)
		}
	}
}

func searchRecord(t *testing.T, query string, limit int) []*FoundTrace {
	s, err := NewSearch(mustParse(t, query), SearchOptions{Limit: limit})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Add(context.Background(), conformanceBatch()); err != nil {
		t.Fatal(err)
	}
	found, _ := s.Found()
	return found
}

func TestNewestTracesAreFound(t *testing.T) {
	var got []string
	for _, trace := range searchRecord(t, `{ rootName = "same root" }`, 2) {
		got = append(got, hex.EncodeToString(trace.ID[15:]))
	}
	if fmt.Sprint(got) != "[0d 0c]" {
		t.Errorf("the two newest are %v", got)
	}
}

func TestGroupsKeepTheTrace(t *testing.T) {
	for _, query := range []string{
		`{ rootName = "R" } | by(rootName)`, `{ rootName = "R" } | by(trace:id)`,
		`{ rootName = "R" } | by(traceDuration)`, `{ rootName = "R" } | coalesce()`,
	} {
		found := searchRecord(t, query, 10)
		if len(found) != 1 || found[0].RootName != "R" || found[0].RootService != "e-tree-r" ||
			found[0].Duration != 100e6 || found[0].ID[15] != 0x1b {
			t.Errorf("%s: %+v", query, found)
		}
	}
}

func TestMatchingLinkIsShown(t *testing.T) {
	found := searchRecord(t, `{ link:traceID =~ "ed9e.*1" && rootServiceName = "e-links" }`, 10)
	if len(found) != 1 || found[0].SpanSets[0].Spans[0].Attributes[0].Value[0].Str != "ed9e0000000000000000000000000001" {
		t.Errorf("%+v", found)
	}
}

func TestRightMetrics(t *testing.T) {
	const start, end = 1795878000e9, 1795885200e9
	for _, c := range []struct {
		why, query string
		step       uint64
		want       string
	}{
		{"sum", `{ resource.service.name = "e-sum" } | sum_over_time(span.amount)`, 7200e9, `{__name__="sum_over_time"} 71`},
		{"instant", `{ resource.service.name =~ "e-steps-.*" } | count_over_time()`, 0, `{__name__="count_over_time"} 13`},
		{"instant", `{ resource.service.name =~ "e-steps-.*" } | max_over_time(span.size)`, 0, `{__name__="max_over_time"} 4096`},
		{"nan", `{ resource.service.name = "e-numbers" } | avg_over_time(span.num)`, 0, ``},
		{"empty", `{ duration > 2h } | rate()`, 0, ``},
	} {
		m, err := NewMetrics(mustParse(t, c.query), MetricsOptions{Start: start, End: end, Step: c.step})
		if err != nil {
			t.Fatal(err)
		}
		if err := m.Add(context.Background(), conformanceBatch()); err != nil {
			t.Fatal(err)
		}
		got := ""
		series, _ := m.Series()
		for _, s := range series {
			got = s.PromLabels()
			for _, x := range s.Samples {
				if x.Value != 0 {
					got += fmt.Sprintf(" %v", x.Value)
				}
			}
		}
		if got != c.want {
			t.Errorf("%s: %s\nwant %s\ngot  %s", c.why, c.query, c.want, got)
		}
	}
}

func TestCompareCountsEachSpanOnce(t *testing.T) {
	q := mustParse(t, `{ resource.service.name = "e-sum" } | compare({ status = error })`)
	m, err := NewMetrics(q, MetricsOptions{Start: 1795878000e9, End: 1795885200e9})
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Add(context.Background(), conformanceBatch()); err != nil {
		t.Fatal(err)
	}
	series, _ := m.Series()
	counts := map[string]float64{}
	for _, s := range series {
		counts[s.PromLabels()] = s.Samples[0].Value
	}
	for labels, want := range map[string]float64{
		`{__meta_type="baseline", "resource.service.name"="e-sum"}`:        10,
		`{__meta_type="selection", "resource.service.name"="e-sum"}`:       5,
		`{__meta_type="selection_total", "resource.service.name"="<nil>"}`: 5,
		`{__meta_type="selection", status="error"}`:                        5,
		`{__meta_type="baseline", name="sum root 0"}`:                      1,
		`{__meta_type="baseline", "resource."="<nil>"}`:                    0,
	} {
		if counts[labels] != want {
			t.Errorf("%s is %v, want %v", labels, counts[labels], want)
		}
	}
}

func TestFilteredValuesAreComplete(t *testing.T) {
	v, err := NewTagValues(mustParse(t, `{ status = error }`), Field{Scope: ScopeSpan, Name: "level"}, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := v.Add(context.Background(), conformanceBatch()); err != nil {
		t.Fatal(err)
	}
	values, _ := v.Values()
	slices.SortFunc(values, func(a, b Value) int { return int(a.Num - b.Num) })
	if fmt.Sprint(values) != "[2 3]" {
		t.Errorf("levels of errors: %v", values)
	}
}
