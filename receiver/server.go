package receiver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"

	"golang.org/x/sync/errgroup"
)

// Bounds of a connection over HTTP/2. What net/http reads of a connection
// before the handler takes it is charged to nobody.
const (
	maxStreams = 100
	// the least that there is; a buffer of this size stays with a connection
	maxFrame         = 16 << 10
	connectionWindow = 256 << 10
	streamWindow     = 256 << 10
	headerTableBytes = 4 << 10
	// one in so many of maxConnections: a connection over HTTP/2 takes more memory
	grpcConnectionsOf = 4
)

func (r *Receiver) newServer(log *slog.Logger) *http.Server {
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true) // to net/http a conn is plain text, with TLS too
	return &http.Server{
		Handler:                      r,
		DisableGeneralOptionsHandler: true,
		MaxHeaderBytes:               maxHeaderBytes,
		ReadHeaderTimeout:            r.cfg.ReadHeaderTimeout,
		IdleTimeout:                  r.cfg.IdleTimeout,
		Protocols:                    &protocols,
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams:          maxStreams,
			MaxReadFrameSize:              maxFrame,
			MaxReceiveBufferPerConnection: connectionWindow,
			MaxReceiveBufferPerStream:     streamWindow,
			MaxDecoderHeaderTableSize:     headerTableBytes,
			MaxEncoderHeaderTableSize:     headerTableBytes,
		},
		ConnContext: withConn,
		ErrorLog:    slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
}

// Listen opens the port of OTLP/HTTP. Clients can connect from then on, and wait
// for Serve.
func (r *Receiver) Listen() error {
	l, err := r.listen(r.cfg.Listen, r.cfg.maxConnections)
	if err != nil {
		return err
	}
	r.listener = l
	return nil
}

// ListenGRPC opens the port of OTLP/gRPC, which is served beside the other one.
func (r *Receiver) ListenGRPC() error {
	l, err := r.listen(r.cfg.GRPCListen, max(1, r.cfg.maxConnections/grpcConnectionsOf))
	if err != nil {
		return err
	}
	l.grpc = true
	r.grpcListener = l
	return nil
}

func (r *Receiver) listen(address string, connections int) (*listener, error) {
	tcp, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("open receiver port: %w", err)
	}
	return &listener{
		Listener:     tcp,
		tls:          r.tls,
		slots:        make(chan struct{}, connections),
		closed:       make(chan struct{}),
		open:         &r.ledger.connections,
		writeTimeout: r.cfg.writeTimeout,
		maxLine:      maxHeaderBytes + 8<<10, // above where net/http answers 431
		onHandshake:  r.handshakeFailed,
		onClose:      r.connectionClosed,
	}, nil
}

// Addr is where Listen listens.
func (r *Receiver) Addr() net.Addr { return r.listener.Addr() }

// GRPCAddr is where ListenGRPC listens, nil if it does not.
func (r *Receiver) GRPCAddr() net.Addr {
	if r.grpcListener == nil {
		return nil
	}
	return r.grpcListener.Addr()
}

func (r *Receiver) listeners() []net.Listener {
	if r.grpcListener == nil {
		return []net.Listener{r.listener}
	}
	return []net.Listener{r.listener, r.grpcListener}
}

// Serve answers requests until Shutdown, then returns nil; the end of ctx ends
// all connections at once.
func (r *Receiver) Serve(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { _ = r.server.Close() })
	defer stop()
	var ports errgroup.Group
	for _, l := range r.listeners() {
		ports.Go(func() error {
			if err := r.server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
				_ = r.server.Close() // or the other port would go on alone
				return fmt.Errorf("serve otlp: %w", err)
			}
			return nil
		})
	}
	return ports.Wait()
}

// Drain has all requests that begin from now on answered 503 while the port
// stays open: clients try again after a 503, not after a refused connection.
func (r *Receiver) Drain() { r.draining.Store(true) }

// Shutdown drains, closes the port and waits until the requests in flight are
// answered. When ctx ends before that, it cuts them off and returns its error.
func (r *Receiver) Shutdown(ctx context.Context) error {
	r.Drain()
	err := r.server.Shutdown(ctx)
	for _, l := range r.listeners() {
		if l != nil {
			_ = l.Close() // for the second time, unless Serve was never called
		}
	}
	if err != nil {
		_ = r.server.Close()
		return fmt.Errorf("wait for requests in flight: %w", err)
	}
	return nil
}

func (r *Receiver) handshakeFailed(c *conn, err error) {
	if !c.socket.heard {
		return // it only looked whether the port is open, as Nomad's checks do
	}
	r.ledger.tlsFailures.Add(1)
	if r.log.wants(eventTLS, slog.LevelWarn) {
		r.log.write(eventTLS, slog.LevelWarn, "refused a tls handshake",
			slog.String("client", c.RemoteAddr().String()), slog.String("err", printable(err.Error())))
	}
}

func (r *Receiver) connectionClosed(c *conn) {
	if c.framing.begun.Load() > c.answered.Load() {
		r.ledger.notRequests.Add(1)
	}
	if c.framing.hello.Load() && r.log.wants(eventTLS, slog.LevelWarn) {
		r.log.write(eventTLS, slog.LevelWarn, "a client speaks tls to a plain port", slog.String("client", c.RemoteAddr().String()),
			slog.String("hint", "have it send to http:// (gRPC: insecure), or set receiver.tls.cert_file and key_file"))
	}
}
