package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"syscall"
	"time"

	"appliance/internal/access"
	"appliance/internal/config"
	"appliance/receiver"
)

// openDoors opens the ports of the receiver. Its notes are what a person should know of them.
func (a *appliance) openDoors() (notes []string, err error) {
	if err := a.receiver.Listen(); err != nil {
		return nil, listenError("receiver.listen", a.conf.Receiver.Listen, err)
	}
	address, chosen := grpcListen(a.conf)
	if address == "" {
		return nil, nil
	}
	err = a.receiver.ListenGRPC()
	switch {
	case err == nil:
		return nil, nil
	case chosen || !errors.Is(err, syscall.EADDRINUSE):
		return nil, listenError("receiver.grpc_listen", address, err)
	}
	// Nobody has asked for gRPC, so it is no reason to take nothing at all.
	a.logger.Warn("no otlp over grpc, since its port is taken", "address", address, "hint", "set receiver.grpc_listen to another address, or to nothing")
	return []string{fmt.Sprintf("OTLP/gRPC is not served: %s is taken by another process; set receiver.grpc_listen to another address", address)}, nil
}

// grpcListen is where OTLP/gRPC is taken, and whether somebody chose that. Whoever chose a host for OTLP/HTTP, such as
// 127.0.0.1, did not mean to be open to all others by gRPC.
func grpcListen(conf config.Loaded) (address string, chosen bool) {
	address = conf.Receiver.GRPCListen
	if _, chosen = conf.Set["receiver.grpc_listen"]; chosen {
		return address, true
	}
	host, _, err := net.SplitHostPort(conf.Receiver.Listen)
	_, port, grpcErr := net.SplitHostPort(address)
	if err != nil || grpcErr != nil {
		return address, false
	}
	return net.JoinHostPort(host, port), false
}

func receiverConfig(conf config.Loaded) receiver.Config {
	r := conf.Receiver
	grpc, _ := grpcListen(conf)
	return receiver.Config{
		Listen:                  r.Listen,
		GRPCListen:              grpc,
		MaxBodyBytes:            int(r.MaxBodyBytes),
		InflightBytes:           int(r.InflightBytes),
		ReadHeaderTimeout:       r.ReadHeaderTimeout,
		ReadTimeout:             r.ReadTimeout,
		IdleTimeout:             r.IdleTimeout,
		TLS:                     receiver.TLS{CertFile: r.TLS.CertFile, KeyFile: r.TLS.KeyFile, ClientCAFile: r.TLS.ClientCAFile},
		Auth:                    receiver.Auth{BearerTokenFile: r.Auth.BearerTokenFile},
		Tenants:                 r.Tenants,
		ClientRequestsPerSecond: r.ClientRequestsPerSecond,
		AllowedOrigins:          r.CORS.AllowedOrigins,
		Rules:                   r.Rules,
	}
}

func readTLS(conf config.Loaded) access.TLS {
	t := conf.HTTP.TLS
	return access.TLS{CertFile: t.CertFile, KeyFile: t.KeyFile, ClientCAFile: t.ClientCAFile}
}

// readScheme is how http.listen is spoken to.
func readScheme(conf config.Loaded) string {
	if conf.HTTP.TLS.CertFile != "" {
		return "https"
	}
	return "http"
}

func readAuth(conf config.Loaded) access.Auth {
	a := conf.HTTP.Auth
	return access.Auth{BearerTokenFile: a.BearerTokenFile, BasicAuthFile: a.BasicAuthFile, Open: a.OpenPaths}
}

// adminServer is http.listen: the pages, the read API, readiness and metrics. It
// speaks HTTP/1.1 and HTTP/2, which Grafana needs for gRPC, also without TLS.
func (a *appliance) adminServer() (*http.Server, error) {
	mux, err := a.adminMux()
	if err != nil {
		return nil, err
	}
	kept := func(err error) {
		a.logger.Error("the certificate or the secrets of http.listen cannot be read again; keeping what was last read", "err", err)
	}
	guard, err := access.NewGuard(readAuth(a.conf), kept)
	if err != nil {
		return nil, &config.Error{Where: "http.auth", Err: err}
	}
	outOfDate := func(err error) { a.logger.Warn("the certificate of http.listen is out of date", "err", err) }
	secured, err := readTLS(a.conf).Config(tlsReload, kept, outOfDate)
	if err != nil {
		return nil, &config.Error{Where: "http.tls", Err: err}
	}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	protocols.SetUnencryptedHTTP2(true)
	return &http.Server{
		Handler: quietly(guard.Wrap(mux)), Protocols: protocols, TLSConfig: secured,
		ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
		ErrorLog: slog.NewLogLogger(a.logger.Handler(), slog.LevelDebug),
	}, nil
}

// tlsReload is how often the files of http.tls are looked at.
const tlsReload = 5 * time.Second

// serveAdmin serves until the server is shut down.
func serveAdmin(server *http.Server, l net.Listener) error {
	serve := server.Serve
	if server.TLSConfig != nil {
		serve = func(l net.Listener) error { return server.ServeTLS(l, "", "") }
	}
	if err := serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve %s: %w", l.Addr(), err)
	}
	return nil
}

// quietly lets no browser take an answer for what it is not, or show it to the
// pages of others.
func quietly(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Cross-Origin-Resource-Policy", "same-origin")
		next.ServeHTTP(w, r)
	})
}
