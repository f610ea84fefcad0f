package serve

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"

	"appliance/internal/access"
	"appliance/internal/config"
	"appliance/receiver"
)

// openDoors opens the ports before anything is started, so that a taken one
// leaves nothing behind.
func (a *appliance) openDoors(context.Context) (err error) {
	if err := a.receiver.Listen(); err != nil {
		return listenError("receiver.listen", a.conf.Receiver.Listen, err)
	}
	if err := a.openGRPC(); err != nil {
		return err
	}
	if a.door, err = net.Listen("tcp", a.conf.HTTP.Listen); err != nil {
		return listenError("http.listen", a.conf.HTTP.Listen, err)
	}
	return nil
}

// openGRPC opens the port of OTLP/gRPC. Where nobody has asked for that, a taken
// port is not a reason to take nothing at all.
func (a *appliance) openGRPC() error {
	address, chosen := grpcListen(a.conf)
	if address == "" {
		return nil
	}
	err := a.receiver.ListenGRPC()
	switch {
	case err == nil:
		return nil
	case chosen || !errors.Is(err, syscall.EADDRINUSE):
		return listenError("receiver.grpc_listen", address, err)
	}
	a.logger.Warn("no otlp over grpc, since its port is taken", "address", address, "hint", "set receiver.grpc_listen to another address, or to nothing")
	a.notes = append(a.notes, fmt.Sprintf("OTLP/gRPC is not served: %s is taken by another process; set receiver.grpc_listen to another address", address))
	return nil
}

func listenError(key, address string, err error) error {
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("%s %s is taken by another process; stop that, or set %s to another address", key, address, key)
	}
	return fmt.Errorf("%s: %w", key, err)
}

// grpcListen is where OTLP/gRPC is taken, and whether somebody chose that.
// Whoever chose a host for OTLP/HTTP, such as 127.0.0.1, did not mean to be
// open to all others by gRPC.
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

// ReadScheme is how http.listen is spoken to: http or https.
func ReadScheme(conf config.Loaded) string {
	if conf.HTTP.TLS.CertFile != "" {
		return "https"
	}
	return "http"
}

func readAuth(conf config.Loaded) access.Auth {
	a := conf.HTTP.Auth
	return access.Auth{BearerTokenFile: a.BearerTokenFile, BasicAuthFile: a.BasicAuthFile, Open: a.OpenPaths}
}

// Reachable makes a listen address one that this machine can call.
func Reachable(listen string) string {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return listen
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	return net.JoinHostPort(host, port)
}
