package access

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"time"
)

// TLS names the PEM files to serve HTTPS with. They are read again when they
// change; connections that are open keep what they were opened with.
type TLS struct {
	CertFile string // certificate chain; empty: plain HTTP
	KeyFile  string
	// ClientCAFile makes clients show a certificate signed by one of these.
	ClientCAFile string
}

// Enabled says that HTTPS is served.
func (t TLS) Enabled() bool { return t.CertFile != "" }

// Validate says by a FileError which file needs another that is not named.
func (t TLS) Validate() error {
	switch {
	case t.CertFile != "" && t.KeyFile == "":
		return &FileError{Key: "cert_file", Err: errors.New("needs key_file as well")}
	case t.CertFile == "" && t.KeyFile != "":
		return &FileError{Key: "key_file", Err: errors.New("needs cert_file as well")}
	case t.CertFile == "" && t.ClientCAFile != "":
		return &FileError{Key: "client_ca_file", Err: errors.New("needs cert_file and key_file as well")}
	}
	return nil
}

// Config reads the files, and again when they change, looking at most once an
// interval. onError is told why the old ones stay, onOutOfDate of a certificate
// that clients refuse; both are told by a FileError, as is the caller of what
// cannot be read now, or needs another. It returns nil for plain HTTP.
func (t TLS) Config(interval time.Duration, onError, onOutOfDate func(error)) (*tls.Config, error) {
	if err := t.Validate(); err != nil || !t.Enabled() {
		return nil, err
	}
	files := &Files[*tls.Config]{
		paths:    []string{t.CertFile, t.KeyFile},
		keys:     []string{"cert_file", "key_file", "client_ca_file"},
		interval: interval,
		make: func(pem [][]byte) (*tls.Config, error) {
			c, err := t.serverTLS(pem)
			if err != nil {
				return nil, err
			}
			if old := outOfDate(c.Certificates[0].Leaf, time.Now()); old != nil {
				onOutOfDate(&FileError{"cert_file", t.CertFile, old})
			}
			return c, nil
		},
		onError: onError,
	}
	if t.ClientCAFile != "" {
		files.paths = append(files.paths, t.ClientCAFile)
	}
	if err := files.load(); err != nil {
		return nil, err
	}
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			return files.Get(), nil
		},
	}, nil
}

// serverTLS takes the contents of certificate, key and optionally client CAs.
func (t TLS) serverTLS(pem [][]byte) (*tls.Config, error) {
	cert, err := t.pairOf(pem[0], pem[1])
	if err != nil {
		return nil, err
	}
	c := &tls.Config{
		MinVersion:   tls.VersionTLS12,
		Certificates: []tls.Certificate{cert},
		// HTTP/2 is for those who speak nothing else: gRPC.
		NextProtos: []string{"http/1.1", "h2"},
		// A resumed session would outlive the certificate or the CA that it was
		// made with, and clients of ours keep their connections anyway.
		SessionTicketsDisabled: true,
	}
	if len(pem) > 2 {
		c.ClientCAs = x509.NewCertPool()
		if !c.ClientCAs.AppendCertsFromPEM(pem[2]) {
			err := wantsPEM(pem[2], "CERTIFICATE")
			if err == nil {
				err = errors.New("its certificates cannot be read")
			}
			return nil, &FileError{"client_ca_file", t.ClientCAFile, err}
		}
		c.ClientAuth = tls.RequireAndVerifyClientCert
	}
	return c, nil
}
