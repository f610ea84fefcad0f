package main

import (
	"fmt"
	"net"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"appliance/internal/config"
)

// baseURL is where the appliance is, without a slash at its end: what --url says,
// or else http.listen on this machine.
func baseURL(cmd *cobra.Command, target string, conf config.Loaded) (string, error) {
	if target == "" {
		return readScheme(conf) + "://" + reachable(conf.HTTP.Listen), nil
	}
	u, err := url.Parse(target)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return "", wrongUsage(cmd, fmt.Errorf("--url %q is not a URL such as http://localhost:3200", target))
	}
	return strings.TrimSuffix(target, "/"), nil
}

// reachable makes a listen address one that this machine can call.
func reachable(listen string) string {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return listen
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	return net.JoinHostPort(host, port)
}
