package receiver

import (
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"

	"appliance/internal/access"
	"appliance/internal/otlpwire"
	"appliance/internal/rules"
)

// Receiver is an http.Handler for OTLP, and the server to run it in.
type Receiver struct {
	cfg     Config
	limits  otlpwire.Limits // its defaults
	sampler Sampler
	sink    Sink
	log     *limitedLog

	memory        *memory
	decompressors *decompressors
	quota         *quota                        // nil: none
	rules         *rules.Set                    // nil: none
	origins       *origins                      // nil: no page may send
	tokens        *access.Files[access.Secrets] // nil: everybody may send
	tls           *tls.Config                   // nil: plain HTTP
	server        *http.Server
	listener      net.Listener // after Listen
	grpcListener  net.Listener // after ListenGRPC, else nil
	jobs          sync.Pool
	ledger        ledger
	draining      atomic.Bool
}

// New reads the TLS and token files but opens no port yet.
func New(cfg Config, sampler Sampler, sink Sink, log *slog.Logger) (*Receiver, error) {
	cfg = cfg.withDefaults()
	if err := cfg.Check(); err != nil {
		return nil, err
	}
	r := &Receiver{
		cfg:     cfg,
		sampler: sampler,
		sink:    sink,
		log:     newLimitedLog(log),
		memory:  newMemory(cfg.InflightBytes, cfg.pooledBytes, cfg.inflightWait),
	}
	r.jobs.New = func() any { return newJob(r) }
	var err error
	if r.decompressors, err = newDecompressors(cfg.MaxBodyBytes); err != nil {
		return nil, err
	}
	if r.quota, err = newQuota(cfg.ClientRequestsPerSecond, cfg.clientBurst); err != nil {
		return nil, err
	}
	if r.rules, err = rules.New(cfg.Rules); err != nil {
		return nil, err
	}
	if r.origins, err = newOrigins(cfg.AllowedOrigins); err != nil {
		return nil, err
	}
	if r.tokens, err = access.OpenTokens(cfg.Auth.BearerTokenFile, cfg.reloadInterval, r.reloadFailed); err != nil {
		return nil, err
	}
	if r.tls, err = cfg.TLS.Config(cfg.reloadInterval, r.reloadFailed, r.certificateOutOfDate); err != nil {
		return nil, err
	}
	r.server = r.newServer(log)
	return r, nil
}

func (r *Receiver) reloadFailed(err error) {
	r.ledger.reloadErrors.Add(1)
	if r.log.wants(eventReload, slog.LevelError) {
		r.log.write(eventReload, slog.LevelError, "keeping what was last read from a file that changed",
			slog.String("err", printable(err.Error())))
	}
}

func (r *Receiver) certificateOutOfDate(err error) {
	if r.log.wants(eventReload, slog.LevelWarn) {
		r.log.write(eventReload, slog.LevelWarn, "the certificate is out of date", slog.Any("err", err))
	}
}
