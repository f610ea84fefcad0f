package tempo

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
)

// Settings are what the appliance decides about its Tempo.
type Settings struct {
	Dir          string        // Tempo's files: wal/, blocks/, generator/
	Retention    time.Duration // of blocks
	KeepBlocks   bool          // Tempo deletes none; the appliance does
	MultiTenant  bool
	UserFile     string // a person's own Tempo YAML, empty for none
	UserFileText []byte // its contents
}

// Ports of the child, all on 127.0.0.1.
type Ports struct{ HTTP, GRPC, OTLP int }

// FlushCheck is how often the embedded Tempo cuts what it was sent into its write-ahead log. Until then a trace is
// objects in memory, and no search finds it.
const FlushCheck = time.Second

// BlocklistPoll is how often the embedded Tempo looks which blocks there are: every ten seconds, or oftener where blocks do
// not stay for long. Until then its ingester answers for a block, from a copy that takes far more memory to read a trace from.
func (s Settings) BlocklistPoll() time.Duration { return min(10*time.Second, s.Retention/10) }

// node is a YAML mapping.
type node = map[string]any

// tuned is Tempo's configuration for a small machine and a quick start. A person's file may change each of these.
func tuned(s Settings) node {
	return node{
		"usage_report": node{"reporting_enabled": false},
		"server": node{
			"log_level":                       "info",
			"http_server_write_timeout":       "5m",
			"graceful_shutdown_timeout":       "2s",
			"grpc_server_max_recv_msg_size":   64 << 20,
			"grpc_server_max_send_msg_size":   64 << 20,
			"grpc_server_max_connection_idle": "1h",
		},
		"distributor": node{
			"retry_after_on_resource_exhausted": "1s",
			"max_attribute_bytes":               0, // Tempo's default cuts attributes at 2 KiB
		},
		"ingester": node{
			"lifecycler":         node{"min_ready_duration": "0s", "final_sleep": "0s", "join_after": "0s"},
			"max_block_bytes":    10 << 20, // in its file; in memory it takes many times as much to write
			"concurrent_flushes": 1,
			"max_block_duration": "5m",
			// Its own copy of a block is used until the querier has found the one in the storage.
			"complete_block_timeout": (3 * s.BlocklistPoll()).String(),
		},
		"querier": node{"max_concurrent_queries": 8, "frontend_worker": node{
			"grpc_client_config": node{"max_recv_msg_size": 64 << 20, "max_send_msg_size": 64 << 20},
		}},
		"query_frontend": node{
			"search": node{
				"concurrent_jobs": 64,
				// By default what is younger than 15 minutes is searched in the ingester alone, which has nothing after a restart.
				"query_backend_after": "0s",
			},
			"trace_by_id": node{"query_shards": 2},
		},
		"storage": node{"trace": node{
			"pool":   node{"max_workers": 4, "queue_depth": 10000},
			"search": node{"read_buffer_count": 8, "read_buffer_size_bytes": 32 << 10}, // one for each of 150 columns, to read a trace
			"block":  node{"parquet_row_group_size_bytes": 512 << 10},                  // by Tempo's estimate; in memory a row group takes far more
		}},
		"overrides": node{"defaults": node{
			"ingestion": node{
				"max_traces_per_user": 0, // above it Tempo answers 200 and discards
				"rate_limit_bytes":    30 << 20,
				"burst_size_bytes":    64 << 20, // a batch above the burst could never be taken
			},
			"global": node{"max_bytes_per_trace": 50 << 20},
		}},
	}
}

// forced is what the appliance relies on. Where a person's file says otherwise, Generate returns a note.
func forced(s Settings, p Ports) node {
	loopback := "127.0.0.1"
	return node{
		"target":                   "all",
		"http_api_prefix":          "",
		"multitenancy_enabled":     s.MultiTenant,
		"auth_enabled":             false,
		"stream_over_http_enabled": true,
		"server": node{
			"http_listen_address": loopback, "http_listen_port": p.HTTP,
			"grpc_listen_address": loopback, "grpc_listen_port": p.GRPC,
			"log_format": "logfmt",
		},
		"internal_server": node{"enable": false},
		"memberlist":      node{"bind_addr": []any{loopback}, "bind_port": 0, "join_members": []any{}},
		"distributor": node{
			"ring": node{"kvstore": node{"store": "inmemory"}, "instance_addr": loopback},
			"receivers": node{"otlp": node{"protocols": node{"http": node{
				"endpoint":              fmt.Sprintf("%s:%d", loopback, p.OTLP),
				"max_request_body_size": 64 << 20,
			}}}},
		},
		"ingester": node{
			"flush_check_period":   FlushCheck.String(),
			"flush_object_storage": true,
			"lifecycler": node{
				"address": loopback,
				"ring":    node{"replication_factor": 1, "kvstore": node{"store": "inmemory"}},
			},
		},
		"compactor": node{
			"disabled": s.KeepBlocks,
			"ring":     node{"kvstore": node{"store": ""}}, // alone, it needs no ring and no minute to see it stable
			"compaction": node{
				"block_retention": s.Retention.String(),
				"max_block_bytes": 1, // nothing is merged: what is merged is deleted before the result is synced
			},
		},
		"querier": node{"frontend_worker": node{"frontend_address": fmt.Sprintf("%s:%d", loopback, p.GRPC)}},
		"metrics_generator": node{
			"ring":           node{"kvstore": node{"store": "inmemory"}, "instance_addr": loopback},
			"storage":        node{"path": filepath.Join(s.Dir, "generator", "wal")},
			"traces_storage": node{"path": filepath.Join(s.Dir, "generator", "traces")},
		},
		"storage": node{"trace": node{
			"backend":        "local", // whose blocks are proof, and are archived
			"wal":            node{"path": filepath.Join(s.Dir, "wal")},
			"local":          node{"path": filepath.Join(s.Dir, "blocks")},
			"blocklist_poll": s.BlocklistPoll().String(),
			"block":          node{"version": "vParquet4"}, // whose identifiers the proof of delivery reads
		}},
	}
}

// Generate returns the child's configuration, and a note for each setting of a person's file that was overruled.
func Generate(s Settings, p Ports) (config []byte, notes []string, err error) {
	merged := tuned(s)
	must := forced(s, p)
	if len(s.UserFileText) > 0 {
		var user node
		if err := yaml.Unmarshal(s.UserFileText, &user); err != nil {
			return nil, nil, fmt.Errorf("read %s: %w", s.UserFile, err)
		}
		overlay(merged, user)
		notes = overruled(s.UserFile, "", user, must)
	}
	overlay(merged, must)
	if receivers := lookup(must, "distributor", "receivers"); receivers != nil {
		merged["distributor"].(node)["receivers"] = receivers // whole: a jaeger receiver would listen as well
	}
	config, err = yaml.Marshal(merged)
	return config, notes, err
}

// BlockDuration is how long Tempo collects spans before it writes them to a block.
func (s Settings) BlockDuration() (time.Duration, error) {
	config, _, err := Generate(s, Ports{})
	if err != nil {
		return 0, err
	}
	var merged struct {
		Ingester struct {
			MaxBlockDuration time.Duration `yaml:"max_block_duration"`
		} `yaml:"ingester"`
	}
	if err := yaml.Unmarshal(config, &merged); err != nil {
		return 0, fmt.Errorf("read ingester.max_block_duration: %w", err)
	}
	return merged.Ingester.MaxBlockDuration, nil
}

// overlay writes over's leaves into base. A null, such as a bare `ingester:`, leaves base as it is; Tempo's own
// parser would zero the whole group and not start.
func overlay(base, over node) {
	for key, value := range over {
		switch value := value.(type) {
		case nil:
		case node:
			if sub, ok := base[key].(node); ok {
				overlay(sub, value)
			} else {
				sub = node{}
				overlay(sub, value)
				base[key] = sub
			}
		default:
			base[key] = value
		}
	}
}

// overruled lists the leaves of must for which user has another value.
func overruled(file, path string, user, must node) []string {
	var notes []string
	for _, key := range sortedKeys(must) {
		theirs, ok := user[key]
		if !ok || theirs == nil {
			continue
		}
		at := strings.TrimPrefix(path+"."+key, ".")
		sub, isNode := must[key].(node)
		theirSub, theirsIsNode := theirs.(node)
		switch {
		case isNode && theirsIsNode && at != "distributor.receivers":
			notes = append(notes, overruled(file, at, theirSub, sub)...)
		case fmt.Sprint(theirs) != fmt.Sprint(must[key]):
			notes = append(notes, fmt.Sprintf("%s: %s is ignored: %s", file, at, whyForced(at, must[key])))
		}
	}
	return notes
}

func whyForced(key string, value any) string {
	switch {
	case key == "distributor.receivers":
		return "receiver.listen takes the traces"
	case strings.HasPrefix(key, "server.") && key != "server.log_format":
		return "the embedded Tempo listens on loopback, on free ports"
	case strings.HasSuffix(key, ".path"):
		return "the embedded Tempo's files are below data_dir"
	}
	return fmt.Sprintf("the appliance needs %v", value)
}

func lookup(n node, path ...string) any {
	var v any = n
	for _, key := range path {
		sub, ok := v.(node)
		if !ok {
			return nil
		}
		v = sub[key]
	}
	return v
}

// ReadUserFile reads a person's Tempo YAML. check says whether Tempo itself understands it; its error names the line.
func ReadUserFile(path string, check func([]byte) error) ([]byte, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("tempo.config_file: %w", err)
	}
	if err := check(text); err != nil {
		return nil, fmt.Errorf("tempo.config_file: %s: %w", path, err)
	}
	return text, nil
}
