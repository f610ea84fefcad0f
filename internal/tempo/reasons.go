package tempo

import (
	"cmp"
	"fmt"
	"strings"
)

// reasons say why a setting means nothing here, by the beginning of its path. The
// longest one counts.
var reasons = map[string]string{
	"target":                         "one process does everything",
	"stream_over_http_enabled":       "answers are streamed on http.listen always",
	"http_api_prefix":                "the read API stands at / of http.listen; have the proxy before it remove the prefix",
	"shutdown_delay":                 "it stops in order by itself",
	"enable_go_runtime_metrics":      "the metrics of Go's runtime are on /metrics",
	"autocomplete_filtering_enabled": "tags and values are always narrowed down by the query",
	"search_enabled":                 "search is always on",
	"metrics_generator_enabled":      "metrics are computed when they are asked for",
	"use_otel_tracer":                "it does not trace itself",

	"server":                     "a bound of Tempo's own server",
	"server.grpc":                "gRPC is answered on http.listen, with bounds of its own",
	"server.grpc_tls_config":     "http.listen speaks plain HTTP/2; put a proxy with TLS before it",
	"server.http_tls_config":     "http.listen speaks plain HTTP; put a proxy with TLS before it. What clients send to is receiver.tls",
	"server.http_path_prefix":    "the read API stands at / of http.listen; have the proxy before it remove the prefix",
	"server.tls":                 "http.listen speaks plain HTTP; put a proxy with TLS before it. What clients send to is receiver.tls",
	"internal_server":            "there is no second server",
	"distributor":                "spans go from receiver.listen to a queue on disk, with bounds of its own",
	"distributor.receivers":      "only OTLP over HTTP and gRPC is received; have others send through a Collector",
	"distributor.receivers.otlp": "a bound of Tempo's receiver; those here are below receiver",
	"distributor.receivers.otlp.protocols.grpc.tls": "receiver.tls is for both protocols",
	"distributor.forwarders":                        "it forwards to one Tempo elsewhere (forwarder.tempo_url) or to none",
	"distributor.kafka":                             "the queue is on disk",
	"distributor.kafka_config":                      "the queue is on disk",
	"distributor.log_received":                      "it does not log spans",
	"distributor.max_attribute_bytes":               "attributes are kept whole",
	"distributor.max_span_attr_byte":                "attributes are kept whole (Tempo calls it max_attribute_bytes since 2.8)",
	"ingester":                                      "spans wait in a queue on disk, and blocks are cut after seconds (blocks.max_wait)",
	"ingester_client":                               "one process does everything",
	"live_store":                                    "spans are found while they wait in the queue on disk",
	"live_store_client":                             "one process does everything",
	"block_builder":                                 "blocks are made of the queue on disk (blocks.max_wait)",
	"ingest":                                        "the queue is on disk",
	"compactor":                                     "blocks are merged once, minutes after they were cut (blocks.merge_after)",
	"backend_scheduler":                             "one process does everything",
	"backend_scheduler_client":                      "one process does everything",
	"backend_worker":                                "one process does everything",
	"querier":                                       "the query engine here has bounds of its own, see docs/traceql.md",
	"query_frontend":                                "the query engine here has bounds of its own, see docs/traceql.md",
	"metrics_generator":                             "metrics are computed when they are asked for; none are sent to a Prometheus",
	"metrics_generator_client":                      "one process does everything",
	"memberlist":                                    "one process does everything",
	"cache":                                         "there is no cache to set up",
	"usage_report":                                  "nothing is reported to anybody",
	"tempo_query":                                   "there is no Jaeger to ask",
	"auth_enabled":                                  "receiver.tenants names the tenants",

	"storage":                        "blocks are kept below data_dir",
	"storage.trace.wal":              "the queue is below data_dir (spool.max_bytes)",
	"storage.trace.block":            "blocks are written as vParquet4, with sizes of their own",
	"storage.trace.pool":             "the query engine here has bounds of its own",
	"storage.trace.search":           "the query engine here has bounds of its own",
	"storage.trace.cache":            "there is no cache to set up",
	"storage.trace.memcached":        "there is no cache to set up",
	"storage.trace.redis":            "there is no cache to set up",
	"storage.trace.background_cache": "there is no cache to set up",
	"storage.trace.blocklist_poll":   "it knows its own blocks",
	"storage.trace.local":            "blocks are kept below data_dir",
	"storage.trace.s3":               "a detail of Tempo's S3 client; archive.store has its own",
	"storage.trace.gcs":              "there is no client for it here",
	"storage.trace.azure":            "there is no client for it here",

	"overrides":                             "no limit of Tempo's holds here: what does not fit is answered 503 and sent again, not discarded",
	"overrides.user_configurable_overrides": "there are none",
	"overrides.per_tenant_override_period":  "no limit differs by tenant here",
	"overrides.defaults.metrics_generator":  "metrics are computed when they are asked for; none are sent to a Prometheus",
	"overrides.metrics_generator":           "metrics are computed when they are asked for; none are sent to a Prometheus",
	"overrides.defaults.global":             "a trace may have any size",
	"overrides.max_bytes_per_trace":         "a trace may have any size",
	"overrides.defaults.forwarders":         "it forwards to one Tempo elsewhere (forwarder.tempo_url) or to none",
}

// knownGroups are what any Tempo has at the top of its file.
var knownGroups = topKeys()

func topKeys() map[string]bool {
	top := map[string]bool{"multitenancy_enabled": true}
	for path := range reasons {
		key, _, _ := strings.Cut(path, ".")
		top[key] = true
	}
	return top
}

// checked are groups of which some keys are translated, with all keys that a
// Tempo from 2.0 on has there. Another one is a typo.
var checked = map[string]map[string]bool{
	"compactor": set("disabled compaction ring override_ring_key"),
	"compactor.compaction": set("v2_in_buffer_bytes v2_out_buffer_bytes v2_prefetch_traces_count chunk_size_bytes flush_size_bytes " +
		"compaction_window max_compaction_objects max_block_bytes block_retention compacted_block_retention retention_concurrency " +
		"max_time_per_tenant compaction_cycle min_input_blocks max_input_blocks"),
	"storage": set("trace"),
	"storage.trace": set("pool wal block search blocklist_poll blocklist_poll_concurrency blocklist_poll_tenant_concurrency " +
		"blocklist_poll_fallback blocklist_poll_tenant_index_builders blocklist_poll_stale_tenant_index blocklist_poll_jitter_ms " +
		"blocklist_poll_tolerate_consecutive_errors blocklist_poll_tolerate_tenant_failures empty_tenant_deletion_enabled " +
		"empty_tenant_deletion_age backend local s3 gcs azure cache cache_min_compaction_level cache_max_block_age background_cache " +
		"memcached redis"),
	"storage.trace.local":                  set("path"),
	"distributor.receivers.otlp":           set("protocols"),
	"distributor.receivers.otlp.protocols": set("http grpc"),
	"server": set("http_listen_network http_listen_address http_listen_port http_listen_conn_limit grpc_listen_network grpc_listen_address " +
		"grpc_listen_port grpc_listen_conn_limit proxy_protocol_enabled tls_cipher_suites tls_min_version http_tls_config grpc_tls_config " +
		"register_instrumentation report_grpc_codes_in_instrumentation_label_enabled graceful_shutdown_timeout http_server_read_timeout " +
		"http_server_read_header_timeout http_server_write_timeout http_server_idle_timeout " +
		"http_log_closed_connections_without_response_enabled grpc_server_max_recv_msg_size grpc_server_max_send_msg_size " +
		"grpc_server_max_concurrent_streams grpc_server_max_connection_idle grpc_server_max_connection_age " +
		"grpc_server_max_connection_age_grace grpc_server_keepalive_time grpc_server_keepalive_timeout " +
		"grpc_server_min_time_between_pings grpc_server_ping_without_stream_allowed grpc_server_num_workers " +
		"grpc_server_stats_tracking_enabled grpc_server_recv_buffer_pools_enabled log_format log_level log_source_ips_enabled " +
		"log_source_ips_full log_source_ips_header log_source_ips_regex log_request_headers log_request_at_info_level_enabled " +
		"log_request_exclude_headers_list http_path_prefix cluster_validation throughput"),
}

func set(words string) map[string]bool {
	out := map[string]bool{}
	for word := range strings.FieldsSeq(words) {
		out[word] = true
	}
	return out
}

// dismiss says why a setting was not translated.
func (t *Translation) dismiss(s *setting) {
	group, _, _ := strings.Cut(s.path, ".")
	if !knownGroups[group] {
		t.unknown = append(t.unknown, note{s, "no Tempo has " + group + didYouMean(group, knownGroups)})
		return
	}
	for above, key := range steps(s.path) {
		if known := checked[above]; known != nil && !known[key] {
			t.unknown = append(t.unknown, note{s, fmt.Sprintf("no Tempo has %s.%s%s", above, key, didYouMean(key, known))})
			return
		}
	}
	if s.empty && !strings.Contains(s.path, ".") {
		t.ignore(s, "there is nothing below it (by which a Tempo before 3.0 loses the defaults of the group)")
		return
	}
	t.ignore(s, reasonFor(s.path))
}

// steps are the groups above a path, each with the key that follows it there.
func steps(path string) func(func(string, string) bool) {
	return func(yield func(string, string) bool) {
		for i, c := range path {
			if c != '.' {
				continue
			}
			key, _, _ := strings.Cut(path[i+1:], ".")
			if !yield(path[:i], key) {
				return
			}
		}
	}
}

// reasonFor is the one whose beginning of the path is the longest.
func reasonFor(path string) string {
	best, why := "", ""
	for beginning, reason := range reasons {
		if strings.HasPrefix(path, beginning) && len(beginning) > len(best) {
			best, why = beginning, reason
		}
	}
	return cmp.Or(why, "it is Tempo's own")
}
