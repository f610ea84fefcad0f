package config

import "time"

// Config is everything a person can set. The zero value is not usable; start
// from Default.
//
// Tags: yaml is the key; flag marks the keys that are also command-line flags;
// secret marks URLs whose credentials are hidden when printed, and maps whose
// values are; doc is the sentence of the reference in docs/configuration.md.
type Config struct {
	DataDir     string        `yaml:"data_dir" flag:"true" doc:"Directory that holds everything the appliance keeps: spool/, blocks/ and archive/ are below it."`
	Retention   time.Duration `yaml:"retention" flag:"true" doc:"Time for which blocks stay on this disk. An older one is deleted; with the archive not before its copy there is proven."`
	MemoryLimit Bytes         `yaml:"memory_limit" doc:"Memory that the process should take at most. 0: the limit of its cgroup, or no limit where it has none."`
	Receiver    Receiver      `yaml:"receiver"`
	Sampler     Sampler       `yaml:"sampler"`
	Tail        Tail          `yaml:"tail"`
	Spool       Spool         `yaml:"spool"`
	Blocks      Blocks        `yaml:"blocks"`
	Forwarder   Forwarder     `yaml:"forwarder"`
	HTTP        HTTP          `yaml:"http"`
	Tempo       Tempo         `yaml:"tempo"`
	Archive     Archive       `yaml:"archive"`
	Metrics     Metrics       `yaml:"metrics"`
	Nomad       Nomad         `yaml:"nomad"`
	Log         Log           `yaml:"log"`
}

// Receiver is the OTLP intake.
type Receiver struct {
	Listen                  string        `yaml:"listen" flag:"true" doc:"Address of the OTLP/HTTP receiver."`
	GRPCListen              string        `yaml:"grpc_listen" doc:"Address of the OTLP/gRPC receiver. Not set: port 4317 of the host of receiver.listen, and a start goes on where that is taken. Set and empty: none."`
	MaxBodyBytes            Bytes         `yaml:"max_body_bytes" doc:"Largest request body, before and after decompression. A larger one is answered 413."`
	InflightBytes           Bytes         `yaml:"inflight_bytes" doc:"Budget of decompressed bytes for all requests being handled. When it is used up, clients are answered 503 and try again."`
	ReadHeaderTimeout       time.Duration `yaml:"read_header_timeout" doc:"Time a client has for the TLS handshake and the request headers."`
	ReadTimeout             time.Duration `yaml:"read_timeout" doc:"Time a client has for a whole request."`
	IdleTimeout             time.Duration `yaml:"idle_timeout" doc:"Time after which an unused connection is closed."`
	ClientRequestsPerSecond float64       `yaml:"client_requests_per_second" doc:"Requests per second a client address may make; above it, 429. 0 means no limit."`
	Tenants                 []string      `yaml:"tenants" doc:"Tenants that may send, by their X-Scope-OrgID header, of letters, digits and !-_.*'(). Empty: one tenant, the header is ignored."`
	Rules                   []string      `yaml:"rules" doc:"What is left out of spans before sampling, one rule an entry, as docs/rules.md has them: preset secrets; drop attribute KEY."`
	TLS                     TLS           `yaml:"tls"`
	Auth                    Auth          `yaml:"auth"`
	CORS                    CORS          `yaml:"cors"`
}

// CORS of the receiver: pages that may send.
type CORS struct {
	AllowedOrigins []string `yaml:"allowed_origins" doc:"Origins whose pages may send from a browser: https://shop.example, https://*.shop.example, or * for all. Empty: none."`
}

// TLS of a port. Certificates are read again when the files change.
type TLS struct {
	CertFile     string `yaml:"cert_file" doc:"Certificate (PEM). With key_file, the port speaks HTTPS."`
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

// Blocks says how the store makes blocks. Without forwarder.tempo_url.
type Blocks struct {
	MaxWait    time.Duration `yaml:"max_wait" doc:"Time that a span waits in the spool for others, until a block is made of them."`
	MergeAfter time.Duration `yaml:"merge_after" doc:"Time for which small blocks are left alone before they are merged. Spans of a trace that come within it end up in one block."`
	MaxBytes   Bytes         `yaml:"max_bytes" doc:"About how large the data of a merged block becomes."`
}

// Forwarder sends what was kept to a Tempo elsewhere.
type Forwarder struct {
	TempoURL      string        `yaml:"tempo_url" flag:"true" secret:"url" doc:"OTLP/HTTP endpoint of a Tempo elsewhere, or nomad://SERVICE to follow a service of Nomad. Empty: spans are stored here."`
	Settle        time.Duration `yaml:"settle" doc:"Time after which what Tempo acknowledged counts as written, if it has not ended since. More than its ingester.flush_check_period."`
	TraceIdle     time.Duration `yaml:"trace_idle" doc:"Time after which Tempo has forgotten a trace of which nothing more comes. Of two traces that a Tempo before 2.8.1 takes for one, the second is sent so long after the first. 0: that Tempo tells all traces apart."`
	DrainDeadline time.Duration `yaml:"drain_deadline" doc:"When stopping: time to bring what is in the spool to blocks, here or in a Tempo elsewhere. The rest stays in the spool for the next start."`
}

// HTTP is the read API and everything for operators.
type HTTP struct {
	Listen string   `yaml:"listen" flag:"true" doc:"Address of the pages, the read API (Grafana's Tempo data source), /ready, /healthz and /metrics."`
	TLS    TLS      `yaml:"tls"`
	Auth   HTTPAuth `yaml:"auth"`
}

// HTTPAuth says who may read. Without any of the files everybody may.
type HTTPAuth struct {
	BearerTokenFile string   `yaml:"bearer_token_file" doc:"File with the tokens that may read, one a line; read again when it changes. In a browser a token is the password of any user."`
	BasicAuthFile   string   `yaml:"basic_auth_file" doc:"File with the users that may read, a line user:password each; read again when it changes."`
	OpenPaths       []string `yaml:"open_paths" doc:"Of /ready, /healthz and /metrics those that everybody may read all the same."`
}

// Tempo says where to read from a Tempo elsewhere.
type Tempo struct {
	QueryURL string `yaml:"query_url" secret:"url" doc:"HTTP address of a Tempo elsewhere, for reading; or nomad://SERVICE. Only with forwarder.tempo_url."`
}

// Archive keeps blocks longer than this disk or Tempo does.
type Archive struct {
	Enabled bool          `yaml:"enabled" doc:"Archive every block before it is deleted."`
	Store   string        `yaml:"store" secret:"url" doc:"Where archived blocks go: file:///path or s3://bucket/prefix?endpoint=... Empty: data_dir/archive."`
	Source  string        `yaml:"source" secret:"url" doc:"Storage of a Tempo elsewhere: file:// or s3://. For serve, only with forwarder.tempo_url."`
	Delay   time.Duration `yaml:"delay" doc:"Time after its newest span came for which a block of our own is not archived yet. One that is still to be merged waits for that too."`
	Keep    time.Duration `yaml:"keep" doc:"Time after which a block is pruned from the archive, unless it is pinned. 0 means never."`

	KeepBytes      Bytes `yaml:"keep_bytes" doc:"Size of the archive above which its oldest blocks are pruned, unless they are pinned or still in the source. 0 means never."`
	MaxBytes       Bytes `yaml:"max_bytes" doc:"Size of the archive above which nothing more is archived, and so nothing purged. 0 means no limit."`
	BytesPerSecond Bytes `yaml:"bytes_per_second" doc:"Bandwidth for copying into the archive. 0 means no limit."`
}

// Metrics of what is received: rate, errors and duration, and the service graph.
type Metrics struct {
	MaxSeries int           `yaml:"max_series" doc:"How many series are made of the spans that are received, one for each service, span name, kind and status, and how many edges of the service graph. What has no room is counted in series named _overflow. 0: nothing is counted."`
	PairWait  time.Duration `yaml:"pair_wait" doc:"Time for which one side of a call waits for the span of the other side, before it is counted alone in the service graph."`

	RemoteWrite RemoteWrite `yaml:"remote_write"`
}

// RemoteWrite sends metrics of what is received to a Prometheus.
type RemoteWrite struct {
	URL             string            `yaml:"url" secret:"url" doc:"Where the traces_* metrics are sent by Prometheus' remote write: http://prometheus.example:9090/api/v1/write. Empty: nowhere; they are on /metrics."`
	Interval        time.Duration     `yaml:"interval" doc:"Time between two sendings of all of them, 1s to 4m."`
	Labels          map[string]string `yaml:"labels" doc:"Labels that are added to each series. Without them job is appliance, and instance is the random id of data_dir. An empty value leaves a label out."`
	Headers         map[string]string `yaml:"headers" secret:"value" doc:"Headers of each request, such as X-Scope-OrgID. Their values are hidden when printed."`
	BearerTokenFile string            `yaml:"bearer_token_file" doc:"File whose first line is the bearer token to show; read again for each request."`
	BasicAuthFile   string            `yaml:"basic_auth_file" doc:"File whose first line is the user to be, user:password; read again for each request."`
	TLS             ClientTLS         `yaml:"tls"`
}

// ClientTLS is how the appliance meets a server's TLS.
type ClientTLS struct {
	CAFile   string `yaml:"ca_file" doc:"CA (PEM) that has signed the server's certificate. Empty: those of this machine."`
	CertFile string `yaml:"cert_file" doc:"Certificate (PEM) to show to the server (mTLS)."`
	KeyFile  string `yaml:"key_file" doc:"Private key (PEM) of cert_file."`
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
		DataDir:   "./data",
		Retention: 24 * time.Hour,
		Receiver: Receiver{
			Listen:            ":4318",
			GRPCListen:        ":4317",
			MaxBodyBytes:      16 << 20,
			InflightBytes:     64 << 20,
			ReadHeaderTimeout: 10 * time.Second,
			ReadTimeout:       30 * time.Second,
			IdleTimeout:       2 * time.Minute,
		},
		Sampler:   Sampler{Probability: 1, Mode: "equalizing", Precision: 4, Window: 10 * time.Second, PressureThreshold: 0.8},
		Tail:      Tail{DecisionWait: 30 * time.Second, Remember: 10 * time.Minute},
		Spool:     Spool{MaxBytes: 4 << 30},
		Blocks:    Blocks{MaxWait: 10 * time.Second, MergeAfter: 5 * time.Minute, MaxBytes: 512 << 20},
		Forwarder: Forwarder{Settle: 30 * time.Second, TraceIdle: 20 * time.Second, DrainDeadline: 10 * time.Second},
		HTTP:      HTTP{Listen: ":3200", Auth: HTTPAuth{OpenPaths: []string{"/ready", "/healthz"}}},
		Archive:   Archive{Enabled: true, Delay: 5 * time.Minute},
		Metrics:   Metrics{MaxSeries: 5000, PairWait: 10 * time.Second, RemoteWrite: RemoteWrite{Interval: 15 * time.Second}},
		Log:       Log{Level: "info", Format: "auto"},
	}
}
