package remotewrite

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"os"
	"strings"

	"appliance/internal/access"
)

// secret is what a request shows, in a file.
type secret struct{ key, path, scheme string }

func (o Options) secret() secret {
	if o.BasicAuthFile != "" {
		return secret{"basic_auth_file", o.BasicAuthFile, "Basic"}
	}
	return secret{"bearer_token_file", o.BearerTokenFile, "Bearer"}
}

// header is the value of Authorization; empty where there is no file. Errors are
// a KeyError.
func (s secret) header() (string, error) {
	if s.path == "" {
		return "", nil
	}
	line, err := access.FirstSecret(s.path)
	if err == nil && s.scheme == "Basic" {
		if user, _, ok := strings.Cut(line, ":"); !ok || user == "" {
			err = fmt.Errorf("the first line of %s is not of the form user:password", s.path)
		}
		line = base64.StdEncoding.EncodeToString([]byte(line))
	}
	if err != nil {
		return "", &KeyError{s.key, err}
	}
	return s.scheme + " " + line, nil
}

// config reads the files; nil where none is named. Errors are a KeyError.
func (t TLS) config() (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if t.CAFile != "" {
		text, err := os.ReadFile(t.CAFile)
		if err != nil {
			return nil, &KeyError{"tls.ca_file", err}
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(text) {
			return nil, &KeyError{"tls.ca_file", fmt.Errorf("%s has no certificate in PEM", t.CAFile)}
		}
	}
	if t.CertFile == "" || t.KeyFile == "" {
		return c, nil
	}
	read := func() (*tls.Certificate, error) {
		pair, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile)
		if err != nil {
			return nil, &KeyError{"tls.cert_file", err}
		}
		return &pair, nil
	}
	if _, err := read(); err != nil {
		return nil, err
	}
	c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return read() }
	return c, nil
}
