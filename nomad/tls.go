package nomad

import (
	"slices"

	"github.com/hashicorp/nomad/api"

	"appliance/internal/config"
)

// configured is the configuration of the task as far as it is known here: what a
// person set. Whether that is right is said by whoever checks the task.
func (s Spec) configured() config.Config {
	conf, _ := config.Load(config.Sources{Getenv: func(name string) (string, bool) {
		if value, ok := s.Env[name]; ok {
			return value, true
		}
		for key, value := range s.Settings {
			if envName(key) == name {
				return value, true
			}
		}
		return "", false
	}})
	return conf.Config
}

// httpTLS and receiverTLS say whether the task's ports speak TLS.
func (s Spec) httpTLS() bool     { return s.configured().HTTP.TLS.CertFile != "" }
func (s Spec) receiverTLS() bool { return s.configured().Receiver.TLS.CertFile != "" }

// asks says whether Nomad and Traefik can ask a path of http.listen: they show
// neither a client certificate nor a secret.
func (s Spec) asks(path string) bool {
	http := s.configured().HTTP
	secrets := http.Auth.BearerTokenFile != "" || http.Auth.BasicAuthFile != ""
	return http.TLS.ClientCAFile == "" && (!secrets || slices.Contains(http.Auth.OpenPaths, path))
}

// webCheck is a check of a path of http.listen; where Nomad cannot ask that, of
// whether the port is open.
func (s Spec) webCheck(name, path string) api.ServiceCheck {
	if !s.asks(path) {
		c := tcpCheck()
		c.Name = name
		return c
	}
	c := httpCheck(name, path)
	if s.httpTLS() {
		// Nomad asks by an address, which no certificate has, and provider nomad
		// has no tls_server_name.
		c.Protocol, c.TLSSkipVerify = "https", true
	}
	return c
}

// schemeOf is how Traefik is to ask a port, if it speaks TLS or if not.
func schemeOf(tls bool, plain string) string {
	if tls {
		return "https"
	}
	return plain
}

// tlsNotes are what a person should know of ports with TLS.
func (s Spec) tlsNotes() []string {
	var notes []string
	if !s.asks("/healthz") || !s.asks("/ready") {
		notes = append(notes, "Nomad and Traefik show neither a client certificate nor a secret, so Nomad checks only that the port is open, and Traefik nothing; to have them ask, leave http.tls.client_ca_file empty, and /ready and /healthz in http.auth.open_paths")
	}
	if (s.receiverTLS() && s.WriteHost != "") || (s.httpTLS() && s.ReadHost != "") {
		notes = append(notes, "Traefik asks the appliance by its address, which a certificate seldom has; give it a serversTransport, and name that with --traefik-tag traefik.http.services.ROUTER.loadbalancer.serverstransport=NAME@file")
	}
	return notes
}
