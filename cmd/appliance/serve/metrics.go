package serve

import (
	"strconv"
	"time"

	"appliance/internal/ledger"
	"appliance/internal/otlpwire"
	"appliance/internal/spool"
	"appliance/internal/telemetry"
	"appliance/receiver"
	"appliance/sampler"
)

// invalidLabels are the values of label reason for spans that cannot be used.
var invalidLabels = map[otlpwire.Invalid]string{
	otlpwire.InvalidTraceID:      "trace_id",
	otlpwire.InvalidSpanID:       "span_id",
	otlpwire.InvalidParentSpanID: "parent_span_id",
	otlpwire.InvalidLink:         "link",
	otlpwire.InvalidText:         "text",
	otlpwire.InvalidResource:     "resource",
	otlpwire.InvalidScope:        "scope",
}

// Metrics are the families of /metrics in every way to run, to describe and not
// to read.
func Metrics() []telemetry.Metric {
	a := &appliance{storage: &embedded{}}
	return append(a.metrics(), (&elsewhere{}).metrics()...)
}

// metrics lists every family of /metrics but those of the Go runtime;
// docs/metrics.md is made from it.
func (a *appliance) metrics() []telemetry.Metric {
	type emit = func(value float64, labels ...string)
	spans := func(name, help, label string, read func(receiver.Stats, emit)) telemetry.Metric {
		m := telemetry.Metric{Name: name, Help: help, Read: func(e func(float64, ...string)) { read(a.receiver.Stats(), e) }}
		if label != "" {
			m.Labels = []string{label}
		}
		return m
	}
	gauge := func(name, help string, read func() float64) telemetry.Metric {
		return telemetry.Metric{Name: name, Help: help, Read: func(e func(float64, ...string)) { e(read()) }}
	}
	spooled := func(name, help string, read func(spool.Status) float64) telemetry.Metric {
		return telemetry.Metric{Name: name, Help: help, Read: func(e func(float64, ...string)) {
			e(read(a.spool.Status()))
		}}
	}
	families := []telemetry.Metric{
		spans("appliance_receiver_spans_total", "Spans of requests answered 200 since the start: kept, sampled out, rejected and ruled out together.", "",
			func(s receiver.Stats, e emit) { e(float64(s.Received)) }),
		spans("appliance_receiver_kept_spans_total", "Spans kept.", "",
			func(s receiver.Stats, e emit) { e(float64(s.Kept)) }),
		spans("appliance_receiver_sampled_out_spans_total", "Spans that the sampler dropped, by reason.", "reason",
			func(s receiver.Stats, e emit) {
				for _, r := range sampler.Reasons() {
					if !r.Keeps() {
						e(float64(s.Decisions[r]), r.String())
					}
				}
			}),
		spans("appliance_receiver_rejected_spans_total", "Spans answered as partial_success, by reason.", "reason",
			func(s receiver.Stats, e emit) {
				for reason, label := range invalidLabels {
					e(float64(s.Invalid[reason]), label)
				}
				e(float64(s.Refused), refusedLabel)
			}),
		spans("appliance_receiver_ruled_out_spans_total", "Spans that a rule of receiver.rules dropped, by rule.", "rule",
			func(s receiver.Stats, e emit) {
				for rule, n := range s.RuledOut {
					e(float64(n), rule)
				}
			}),
		spans("appliance_receiver_rule_edits_total", "Attributes and texts that a rule of receiver.rules dropped, replaced or cut, by rule.", "rule",
			func(s receiver.Stats, e emit) {
				for rule, n := range s.RuleEdits {
					e(float64(n), rule)
				}
			}),
		spans("appliance_receiver_requests_total", "Requests by status code of the answer; a gRPC status counts as the HTTP status that means the same.", "code",
			func(s receiver.Stats, e emit) {
				for code, n := range s.Requests {
					e(float64(n), strconv.Itoa(code))
				}
			}),
		spans("appliance_receiver_malformed_requests_total", "Connections and requests that were not HTTP, or ended by a deadline or a limit of HTTP.", "",
			func(s receiver.Stats, e emit) { e(float64(s.NotRequests)) }),
		spans("appliance_receiver_tls_handshake_failures_total", "TLS handshakes that failed.", "",
			func(s receiver.Stats, e emit) { e(float64(s.TLSFailures)) }),
		spans("appliance_receiver_panics_total", "Requests that hit a fault of ours and were answered 503.", "",
			func(s receiver.Stats, e emit) { e(float64(s.Panics)) }),
		spans("appliance_receiver_reload_failures_total", "Changed token or TLS files that could not be used.", "",
			func(s receiver.Stats, e emit) { e(float64(s.ReloadErrors)) }),
		spans("appliance_receiver_wire_bytes_total", "Bytes of request bodies as sent.", "",
			func(s receiver.Stats, e emit) { e(float64(s.WireBytes)) }),
		spans("appliance_receiver_body_bytes_total", "Bytes of request bodies as protobuf, decompressed; JSON counts as the protobuf that it stands for.", "",
			func(s receiver.Stats, e emit) { e(float64(s.BodyBytes)) }),
		spans("appliance_receiver_kept_bytes_total", "Bytes of OTLP kept.", "",
			func(s receiver.Stats, e emit) { e(float64(s.KeptBytes)) }),
		spans("appliance_receiver_inflight_bytes", "Bytes held for requests being handled.", "",
			func(s receiver.Stats, e emit) { e(float64(s.InflightBytes)) }),
		spans("appliance_receiver_inflight_requests", "Requests being handled.", "",
			func(s receiver.Stats, e emit) { e(float64(s.InflightRequests)) }),
		spans("appliance_receiver_connections", "Open client connections.", "",
			func(s receiver.Stats, e emit) { e(float64(s.Connections)) }),

		gauge("appliance_sampler_probability", "Configured probability of services that have none of their own.",
			func() float64 { return a.sampler.Stats().Probability }),
		gauge("appliance_sampler_target_spans_per_second", "Target now, 0 for none.",
			func() float64 { return a.sampler.Stats().Target }),
		gauge("appliance_sampler_pressure", "1 while a full spool lowers the target.",
			func() float64 {
				if a.underPressure() {
					return 1
				}
				return 0
			}),
		{
			Name: "appliance_sampler_effective_probability", Labels: []string{"service"},
			Help: "Share of spans kept in the last window of target_spans_per_second; the busiest services by name, the others as _rest, all as _all.",
			Read: func(e func(float64, ...string)) {
				w := a.sampler.Stats().Window
				if w.Took == 0 {
					return
				}
				e(w.All.Probability, "_all")
				e(w.Rest.Probability, "_rest")
				for _, s := range w.Services {
					e(s.Probability, "service:"+s.Name)
				}
			},
		},
	}
	families = append(families, a.adminMetrics()...)
	families = append(families, a.tailMetrics()...)
	before := new(saver)
	families = append(families, ledgerMetrics(func() ledger.Account { return shown(before, a.ledger, a.counts(), a.spool.Status) })...)
	families = append(families,
		spooled("appliance_spool_bytes", "Disk space of the spool.", func(s spool.Status) float64 { return float64(s.Bytes) }),
		spooled("appliance_spool_max_bytes", "Configured limit of the spool.", func(s spool.Status) float64 { return float64(s.MaxBytes) }),
		spooled("appliance_spool_oldest_seconds", "Age of the oldest span in the spool.", func(s spool.Status) float64 {
			if s.Oldest.IsZero() {
				return 0
			}
			return max(0, time.Since(s.Oldest).Seconds())
		}),
		spooled("appliance_spool_syncs_total", "Groups of requests that were synced at once.", func(s spool.Status) float64 { return float64(s.Syncs) }),
		spooled("appliance_spool_quarantined_bytes", "Copies of damaged data.", func(s spool.Status) float64 { return float64(s.QuarantinedBytes) }),

		telemetry.Metric{
			Name: "appliance_build_info", Labels: []string{"version", "commit"}, Help: "1, with the version as labels.",
			Read: func(e func(float64, ...string)) {
				e(1, a.versions.Version, a.versions.Commit)
			},
		},
	)
	families = append(families, a.tracesMetrics()...)
	families = append(families, a.redMetrics()...)
	families = append(families, a.remoteWriteMetrics()...)
	families = append(families, a.disks.metrics()...)
	families = append(families, a.nomad.metrics()...)
	families = append(families, a.archiveMetrics()...)
	return append(families, a.storage.metrics()...)
}
