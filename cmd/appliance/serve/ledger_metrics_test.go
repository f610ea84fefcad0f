package serve

import (
	"path/filepath"
	"strings"
	"testing"

	"appliance/internal/durable"
	"appliance/internal/ledger"
	"appliance/internal/spool"
	"appliance/internal/telemetry"
)

// samples reads families as a scrape does: one after the other, by name and labels.
func samples(families []telemetry.Metric) map[string]float64 {
	got := map[string]float64{}
	for _, m := range families {
		m.Read(func(v float64, labels ...string) { got[strings.Join(append([]string{m.Name}, labels...), " ")] = v })
	}
	return got
}

// sumFamily adds up the samples of a family.
func sumFamily(got map[string]float64, name string) (sum float64) {
	for key, v := range got {
		if key == name || strings.HasPrefix(key, name+" ") {
			sum += v
		}
	}
	return sum
}

func tally(n int64, tenants map[string]int64) spool.Tally {
	t := spool.Tally{Counts: spool.Counts{Spans: n}, Tenants: map[string]spool.Counts{}}
	for name, n := range tenants {
		t.Tenants[name] = spool.Counts{Spans: n}
	}
	return t
}

// TestLedgerMetricsBalance holds that /metrics accounts for every span over all
// runs, also while spans come in during the scrape.
func TestLedgerMetricsBalance(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.json")
	first, err := ledger.Open(durable.OS, path, spool.Status{})
	if err != nil {
		t.Fatal(err)
	}
	if err := first.Save(ledger.Counts{Kept: 100, SampledOut: map[string]int64{"probability": 40}, Rejected: map[string]int64{"trace_id": 3, "of_an_old_version": 2}}); err != nil {
		t.Fatal(err)
	}
	kept := spool.Status{Pending: tally(30, map[string]int64{"shop": 30}), Released: tally(65, map[string]int64{"shop": 25, "bank": 40}), Lost: tally(5, map[string]int64{"bank": 5})}
	second, err := ledger.Open(durable.OS, path, kept)
	if err != nil {
		t.Fatal(err)
	}
	run := ledger.Counts{SampledOut: map[string]int64{"probability": 0}, Rejected: map[string]int64{"too_large": 7}}
	families := ledgerMetrics(func() ledger.Account {
		run.SampledOut["probability"] += 10 // time goes on between two looks
		return second.Balance(run, kept)
	})
	for range 2 {
		got := samples(families)
		received, parts := got["appliance_received_spans_total"], got["appliance_kept_spans_total"]+sumFamily(got, "appliance_sampled_out_spans_total")+sumFamily(got, "appliance_rejected_spans_total")
		if received != parts || received < 162 {
			t.Errorf("received %v, kept + sampled out + rejected is %v:\n%v", received, parts, got)
		}
		kept, parts := got["appliance_kept_spans_total"], got["appliance_pending_spans"]+got["appliance_proven_spans_total"]+sumFamily(got, "appliance_discarded_spans_total")+
			got["appliance_damaged_spans_total"]+got["appliance_unaccounted_spans"]
		if kept != parts || kept != 100 {
			t.Errorf("kept %v, its parts are %v:\n%v", kept, parts, got)
		}
	}
	got := samples(families)
	for sample, want := range map[string]float64{
		"appliance_sampled_out_spans_total probability":    70,
		"appliance_sampled_out_spans_total priority":       0,
		"appliance_rejected_spans_total trace_id":          3,
		"appliance_rejected_spans_total too_large":         7,
		"appliance_rejected_spans_total of_an_old_version": 2,
		"appliance_rejected_spans_total link":              0,
		"appliance_tenant_kept_spans_total shop":           55,
		"appliance_tenant_kept_spans_total bank":           45,
		"appliance_tenant_pending_spans shop":              30,
		"appliance_tenant_pending_spans bank":              0,
		"appliance_tenant_proven_spans_total bank":         40,
		"appliance_tenant_damaged_spans_total bank":        5,
		"appliance_tenant_damaged_spans_total shop":        0,
	} {
		if v, ok := got[sample]; !ok || v != want {
			t.Errorf("%s is %v (there: %v), want %v", sample, v, ok, want)
		}
	}
}
