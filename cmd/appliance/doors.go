package main

import (
	"errors"
	"fmt"
	"net"
	"syscall"

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
