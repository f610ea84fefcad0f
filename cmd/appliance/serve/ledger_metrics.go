package serve

import (
	"maps"
	"sync/atomic"

	"appliance/internal/ledger"
	"appliance/internal/telemetry"
	"appliance/sampler"
)

// ledgerMetrics are the account over all runs, and its parts by tenant. The
// first family draws it up and the others read the same one, so that a scrape
// balances.
func ledgerMetrics(account func() ledger.Account) []telemetry.Metric {
	type emit = func(value float64, labels ...string)
	var drawn atomic.Pointer[ledger.Account]
	family := func(name, help string, labels []string, read func(ledger.Account, emit)) telemetry.Metric {
		return telemetry.Metric{Name: name, Help: help, Labels: labels, Read: func(e func(float64, ...string)) {
			l := drawn.Load()
			if l == nil { // read by itself
				now := account()
				l = &now
			}
			read(*l, e)
		}}
	}
	number := func(name, help string, read func(ledger.Account) int64) telemetry.Metric {
		return family(name, help, nil, func(l ledger.Account, e emit) { e(float64(read(l))) })
	}
	byReason := func(name, help string, known []string, read func(ledger.Account) map[string]int64) telemetry.Metric {
		return family(name, help, []string{"reason"}, func(l ledger.Account, e emit) {
			counts := map[string]int64{}
			for _, reason := range known { // from the start, so that a first span is an increase
				counts[reason] = 0
			}
			maps.Copy(counts, read(l))
			for reason, n := range counts {
				e(float64(n), reason)
			}
		})
	}
	byTenant := func(name, help string, read func(ledger.Tenant) int64) telemetry.Metric {
		return family(name, help, []string{"tenant"}, func(l ledger.Account, e emit) {
			for tenant, t := range l.Tenants {
				e(float64(read(t)), tenant)
			}
		})
	}
	received := telemetry.Metric{
		Name: "appliance_received_spans_total", Help: "Spans received over all runs: kept, sampled out, rejected and ruled out.",
		Read: func(e func(float64, ...string)) {
			now := account()
			drawn.Store(&now)
			e(float64(now.Received))
		},
	}
	return []telemetry.Metric{
		received,
		number("appliance_kept_spans_total", "Spans kept over all runs: pending, stuck, proven, discarded, damaged, unaccounted for and acknowledged as lost.", func(l ledger.Account) int64 { return l.Kept }),
		byReason("appliance_sampled_out_spans_total", "Spans that the sampler dropped over all runs, by reason, and that tail sampling left out, by the name of the rule.", sampledOutReasons(), func(l ledger.Account) map[string]int64 { return l.SampledOut }),
		byReason("appliance_rejected_spans_total", "Spans answered as partial_success over all runs, by reason.", rejectedReasons(), func(l ledger.Account) map[string]int64 { return l.Rejected }),
		family("appliance_ruled_out_spans_total", "Spans that a rule of receiver.rules dropped over all runs, by rule.", []string{"rule"}, func(l ledger.Account, e emit) {
			for rule, n := range l.RuledOut {
				e(float64(n), rule)
			}
		}),
		number("appliance_pending_spans", "Spans in the spool, without those that tail sampling leaves out.", func(l ledger.Account) int64 { return l.Pending }),
		number("appliance_undecided_spans", "Pending spans of traces on which no rule of tail.rules has decided yet.", func(l ledger.Account) int64 { return l.Undecided }),
		number("appliance_forwarder_stuck_spans", "Spans that a Tempo elsewhere does not take while it takes others. They are set aside and tried again from time to time; see: appliance spool stuck list.", func(l ledger.Account) int64 { return l.Stuck }),
		number("appliance_proven_spans_total", "Spans that left the spool as safe over all runs: read back from a block, or acknowledged by a Tempo elsewhere and not lost in the time that it takes to write them.", func(l ledger.Account) int64 { return l.Proven }),
		family("appliance_discarded_spans_total", "Spans that a Tempo elsewhere discarded, by its reason, or an operator (reason operator).", []string{"tenant", "reason"}, func(l ledger.Account, e emit) {
			for tenant, t := range l.Tenants {
				for reason, n := range t.Discarded {
					e(float64(n), tenant, reason)
				}
			}
		}),
		number("appliance_damaged_spans_total", "Spans that the disk has damaged in the spool.", func(l ledger.Account) int64 { return l.Damaged }),
		number("appliance_unaccounted_spans", "Spans that were acknowledged and of which nothing is known; 0, or something is wrong.", func(l ledger.Account) int64 { return l.Unaccounted }),
		number("appliance_acknowledged_loss_spans", "Spans that were damaged or unaccounted for until somebody acknowledged that.", func(l ledger.Account) int64 { return l.AcknowledgedLoss }),
		byTenant("appliance_tenant_kept_spans_total", "Spans kept over all runs, by tenant: pending, stuck, proven, discarded and damaged.", func(t ledger.Tenant) int64 { return t.Kept }),
		byTenant("appliance_tenant_pending_spans", "Spans in the spool, by tenant.", func(t ledger.Tenant) int64 { return t.Pending }),
		byTenant("appliance_tenant_stuck_spans", "Spans that are set aside, by tenant.", func(t ledger.Tenant) int64 { return t.Stuck }),
		byTenant("appliance_tenant_proven_spans_total", "Spans that left the spool as safe over all runs, by tenant.", func(t ledger.Tenant) int64 { return t.Proven }),
		byTenant("appliance_tenant_damaged_spans_total", "Spans that the disk has damaged in the spool, by tenant, acknowledged ones included.", func(t ledger.Tenant) int64 { return t.Damaged }),
	}
}

// refusedLabel is the value of label reason for spans that the spool can never keep.
const refusedLabel = "too_large"

func sampledOutReasons() (labels []string) {
	for _, r := range sampler.Reasons() {
		if !r.Keeps() {
			labels = append(labels, r.String())
		}
	}
	return labels
}

func rejectedReasons() []string {
	labels := []string{refusedLabel}
	for _, label := range invalidLabels {
		labels = append(labels, label)
	}
	return labels
}
