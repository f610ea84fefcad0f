package config

import "time"

// Config is everything a person can set. The zero value is not usable; start from Default.
//
// Tags: yaml is the key; flag marks the keys that are also command-line flags; secret marks URLs whose
// credentials are hidden when printed; doc is the sentence of the reference in docs/configuration.md.
type Config struct {
	DataDir   string    `yaml:"data_dir" flag:"true" doc:"Directory that holds everything the appliance keeps: spool/, tempo/ and archive/ are below it."`
	Receiver  Receiver  `yaml:"receiver"`
	Sampler   Sampler   `yaml:"sampler"`
	Spool     Spool     `yaml:"spool"`
	Forwarder Forwarder `yaml:"forwarder"`
	HTTP      HTTP      `yaml:"http"`
	Tempo     Tempo     `yaml:"tempo"`
	Archive   Archive   `yaml:"archive"`
	Nomad     Nomad     `yaml:"nomad"`
	Log       Log       `yaml:"log"`
}

// Receiver is the OTLP/HTTP intake.
type Receiver struct {
	Listen                  string        `yaml:"listen" flag:"true" doc:"Address of the OTLP/HTTP receiver."`
	MaxBodyBytes            Bytes         `yaml:"max_body_bytes" doc:"Largest request body, before and after decompression. A larger one is answered 413."`
	InflightBytes           Bytes         `yaml:"inflight_bytes" doc:"Budget of decompressed bytes for all requests being handled. When it is used up, clients are answered 503 and try again."`
	ReadHeaderTimeout       time.Duration `yaml:"read_header_timeout" doc:"Time a client has for the TLS handshake and the request headers."`
	ReadTimeout             time.Duration `yaml:"read_timeout" doc:"Time a client has for a whole request."`
	IdleTimeout             time.Duration `yaml:"idle_timeout" doc:"Time after which an unused connection is closed."`
	ClientRequestsPerSecond float64       `yaml:"client_requests_per_second" doc:"Requests per second a client address may make; above it, 429. 0 means no limit."`
	Tenants                 []string      `yaml:"tenants" doc:"Tenants that may send, by their X-Scope-OrgID header, of letters, digits and !-_.*'(). Empty: one tenant, the header is ignored."`
	TLS                     TLS           `yaml:"tls"`
	Auth                    Auth          `yaml:"auth"`
}

// TLS of the receiver. Certificates are read again when the files change.
type TLS struct {
	CertFile     string `yaml:"cert_file" doc:"Certificate (PEM). With key_file, the receiver speaks HTTPS."`
	KeyFile      string `yaml:"key_file" doc:"Private key (PEM) of cert_file."`
	ClientCAFile string `yaml:"client_ca_file" doc:"CA (PEM) that must have signed a client's certificate (mTLS)."`
}

// Auth of the receiver.
type Auth struct {
	BearerTokenFile string `yaml:"bearer_token_file" doc:"File with the accepted bearer tokens, one a line; read again when it changes."`
}

// Sampler decides which traces are kept.
type Sampler struct {
	Probability          float64            `yaml:"probability" flag:"true" doc:"Share of traces that is kept, 0 to 1."`
	Mode                 string             `yaml:"mode" doc:"equalizing, proportional or hash_seed, as in the OpenTelemetry Collector."`
	Precision            int                `yaml:"precision" doc:"Hexadecimal digits of the threshold that is written to tracestate, 1 to 14."`
	HashSeed             uint32             `yaml:"hash_seed" doc:"Seed of mode hash_seed; equal to that of the Collectors one wants to agree with."`
	Services             map[string]float64 `yaml:"services" doc:"Probability by service.name, for services that differ from the default. As an environment variable: name=0.1,other=1."`
	TargetSpansPerSecond float64            `yaml:"target_spans_per_second" doc:"Spans per second to aim at: the probability is lowered to keep to it, fairly by service. 0 means no target."`
	Window               time.Duration      `yaml:"window" doc:"Time over which traffic is measured for target_spans_per_second."`

	PressureThreshold      float64 `yaml:"pressure_threshold" doc:"Share of spool.max_bytes, 0 to 1, above which pressure_spans_per_second holds."`
	PressureSpansPerSecond float64 `yaml:"pressure_spans_per_second" doc:"target_spans_per_second while the spool is fuller than pressure_threshold. 0: sampling does not depend on the spool."`
}

// Spool is the durable queue on disk.
type Spool struct {
	MaxBytes Bytes `yaml:"max_bytes" doc:"Disk space for spans that are not proven to be safe in a block yet. When it is full, clients are answered 503."`
}

// Forwarder sends what was kept to Tempo.
type Forwarder struct {
	TempoURL      string        `yaml:"tempo_url" flag:"true" secret:"url" doc:"OTLP/HTTP endpoint of a Tempo elsewhere, or nomad://SERVICE to follow a service of Nomad. Empty: the embedded Tempo."`
	ResendAfter   time.Duration `yaml:"resend_after" doc:"Time after which spans that Tempo acknowledged and that are in none of its blocks are sent again. 0: a minute more than the embedded Tempo takes for a block."`
	Settle        time.Duration `yaml:"settle" doc:"With a Tempo elsewhere: time after which what it acknowledged counts as written, if it has not ended since. More than its ingester.flush_check_period."`
	DrainDeadline time.Duration `yaml:"drain_deadline" doc:"When stopping: time to bring what is in the spool to Tempo's blocks. The rest stays in the spool for the next start."`
}

// HTTP is the read API and everything for operators.
type HTTP struct {
	Listen string `yaml:"listen" flag:"true" doc:"Address of the read API (Grafana's Tempo data source), /ready, /healthz and /metrics."`
}

// Tempo is the embedded Tempo, or where to read from one elsewhere.
type Tempo struct {
	ConfigFile  string        `yaml:"config_file" flag:"true" doc:"A Tempo configuration (YAML) of your own, merged into that of the embedded Tempo."`
	Retention   time.Duration `yaml:"retention" doc:"Time for which the embedded Tempo keeps a block. An older one is deleted; with the archive not before its copy there is proven."`
	MemoryLimit Bytes         `yaml:"memory_limit" doc:"GOMEMLIMIT of the embedded Tempo."`
	QueryURL    string        `yaml:"query_url" secret:"url" doc:"HTTP address of a Tempo elsewhere, for reading; or nomad://SERVICE. Only with forwarder.tempo_url."`
}

// Archive keeps blocks longer than Tempo does.
type Archive struct {
	Enabled bool          `yaml:"enabled" doc:"Archive every block before it is deleted from Tempo's storage."`
	Store   string        `yaml:"store" secret:"url" doc:"Where archived blocks go: file:///path or s3://bucket/prefix?endpoint=... Empty: data_dir/archive."`
	Source  string        `yaml:"source" secret:"url" doc:"Storage of a Tempo elsewhere: file:// or s3://. For serve, only with forwarder.tempo_url."`
	Keep    time.Duration `yaml:"keep" doc:"Time after which a block is pruned from the archive, unless it is pinned. 0 means never."`

	MaxBytes       Bytes `yaml:"max_bytes" doc:"Size of the archive above which nothing more is archived, and so nothing purged. 0 means no limit."`
	BytesPerSecond Bytes `yaml:"bytes_per_second" doc:"Bandwidth for copying into the archive. 0 means no limit."`
}

// Nomad says how to reach the cluster.
type Nomad struct {
	Address   string `yaml:"address" secret:"url" doc:"Address of the Nomad API. Empty: NOMAD_ADDR, or the task API inside a task."`
	Namespace string `yaml:"namespace" doc:"Nomad namespace. Empty: NOMAD_NAMESPACE."`
	Lock      string `yaml:"lock" doc:"Nomad variable whose lock decides which of several replicas archives."`
}

// Log of the process.
type Log struct {
	Level  string `yaml:"level" flag:"true" doc:"debug, info, warn or error."`
	Format string `yaml:"format" flag:"true" doc:"auto (text on a terminal, else JSON), text or json."`
}

// Default returns what holds where a person sets nothing.
func Default() Config {
	return Config{
		DataDir: "./data",
		Receiver: Receiver{
			Listen:            ":4318",
			MaxBodyBytes:      16 << 20,
			InflightBytes:     64 << 20,
			ReadHeaderTimeout: 10 * time.Second,
			ReadTimeout:       30 * time.Second,
			IdleTimeout:       2 * time.Minute,
		},
		Sampler:   Sampler{Probability: 1, Mode: "equalizing", Precision: 4, Window: 10 * time.Second, PressureThreshold: 0.8},
		Spool:     Spool{MaxBytes: 4 << 30},
		Forwarder: Forwarder{Settle: 30 * time.Second, DrainDeadline: 10 * time.Second},
		HTTP:      HTTP{Listen: ":3200"},
		Tempo:     Tempo{Retention: 24 * time.Hour, MemoryLimit: 320 << 20},
		Archive:   Archive{Enabled: true},
		Log:       Log{Level: "info", Format: "auto"},
	}
}
