package config

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
)

// CheckServe names the keys that are right alone and with which serve cannot do
// what they say. Other commands use some of the keys only, such as
// archive.source without any forwarder.tempo_url, and do not ask.
func (l *Loaded) CheckServe() error {
	var errs []error
	bad := func(path, format string, args ...any) {
		errs = append(errs, l.At(path, fmt.Errorf(format, args...)))
	}
	if l.Known("receiver.listen", "http.listen") && sameAddress(l.Receiver.Listen, l.HTTP.Listen) {
		bad("http.listen", "%s is taken by receiver.listen (%s); give each a port of its own", l.HTTP.Listen, l.Receiver.Listen)
	}
	if _, set := l.Set["receiver.grpc_listen"]; set && l.Known("receiver.grpc_listen") {
		for _, other := range []struct{ path, address string }{{"receiver.listen", l.Receiver.Listen}, {"http.listen", l.HTTP.Listen}} {
			if l.Known(other.path) && sameAddress(l.Receiver.GRPCListen, other.address) {
				bad("receiver.grpc_listen", "%s is taken by %s (%s); give each a port of its own", l.Receiver.GRPCListen, other.path, other.address)
			}
		}
	}
	const elsewhere = "is of a Tempo elsewhere, and without forwarder.tempo_url spans are stored here; set forwarder.tempo_url, or remove it"
	if l.Forwarder.TempoURL == "" && l.Known("forwarder.tempo_url") {
		if l.Archive.Source != "" {
			bad("archive.source", elsewhere)
		}
		if l.Tempo.QueryURL != "" {
			bad("tempo.query_url", elsewhere)
		}
	}
	return errors.Join(errs...)
}

// sameAddress tells whether two listeners would want one port, as far as that
// can be seen without asking for names.
func sameAddress(a, b string) bool {
	hostA, portA, errA := net.SplitHostPort(a)
	hostB, portB, errB := net.SplitHostPort(b)
	if errA != nil || errB != nil || portA != portB || portA == "0" {
		return false
	}
	return hostA == hostB || holds(hostA, hostB) || holds(hostB, hostA)
}

// holds tells whether who listens on all addresses of a host has the other
// one's too. Without an IPv4 address a listener has those of both families.
func holds(all, host string) bool {
	if all == "" {
		return true
	}
	a, err := netip.ParseAddr(all)
	if err != nil || !a.IsUnspecified() {
		return false
	}
	b, err := netip.ParseAddr(host)
	return a.Is6() || host == "localhost" || err == nil && b.Is4()
}
