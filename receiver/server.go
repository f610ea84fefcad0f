package receiver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
)

func (r *Receiver) newServer(log *slog.Logger) *http.Server {
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	return &http.Server{
		Handler:                      r,
		DisableGeneralOptionsHandler: true,
		MaxHeaderBytes:               r.cfg.MaxHeaderBytes,
		ReadHeaderTimeout:            r.cfg.ReadHeaderTimeout,
		IdleTimeout:                  r.cfg.IdleTimeout,
		Protocols:                    &protocols,
		ConnContext:                  withConn,
		ErrorLog:                     slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
}

// Listen opens the port. Clients can connect from then on, and wait for Serve.
func (r *Receiver) Listen() error {
	tcp, err := net.Listen("tcp", r.cfg.Listen)
	if err != nil {
		return fmt.Errorf("open receiver port: %w", err)
	}
	r.listener = &listener{
		Listener:     tcp,
		tls:          r.tls,
		slots:        make(chan struct{}, r.cfg.MaxConnections),
		closed:       make(chan struct{}),
		open:         &r.ledger.connections,
		writeTimeout: r.cfg.WriteTimeout,
		maxLine:      r.cfg.MaxHeaderBytes + 8<<10, // above where net/http answers 431
		onHandshake:  r.handshakeFailed,
		onClose:      r.connectionClosed,
	}
	return nil
}

// Addr is where Listen listens.
func (r *Receiver) Addr() net.Addr { return r.listener.Addr() }

// Serve answers requests until Shutdown, then returns nil; the end of ctx ends
// all connections at once.
func (r *Receiver) Serve(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { _ = r.server.Close() })
	defer stop()
	if err := r.server.Serve(r.listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve otlp: %w", err)
	}
	return nil
}

// Drain has all requests that begin from now on answered 503 while the port
// stays open: clients try again after a 503, not after a refused connection.
func (r *Receiver) Drain() { r.draining.Store(true) }

// Shutdown drains, closes the port and waits until the requests in flight are
// answered. When ctx ends before that, it cuts them off and returns its error.
func (r *Receiver) Shutdown(ctx context.Context) error {
	r.Drain()
	err := r.server.Shutdown(ctx)
	if r.listener != nil {
		_ = r.listener.Close() // for the second time, unless Serve was never called
	}
	if err != nil {
		_ = r.server.Close()
		return fmt.Errorf("wait for requests in flight: %w", err)
	}
	return nil
}

func (r *Receiver) handshakeFailed(c *conn, err error) {
	r.ledger.tlsFailures.Add(1)
	if r.log.wants(eventTLS, slog.LevelWarn) {
		r.log.write(eventTLS, slog.LevelWarn, "refused a tls handshake",
			slog.String("client", c.RemoteAddr().String()), slog.String("error", printable(err.Error())))
	}
}

func (r *Receiver) connectionClosed(c *conn) {
	if c.framing.begun.Load() > c.answered.Load() {
		r.ledger.notRequests.Add(1)
	}
}
