package receiver

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"appliance/internal/access"
)

// authority signs certificates for 127.0.0.1.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t testing.TB) *authority {
	t.Helper()
	a := &authority{}
	a.cert, a.key = a.sign(t, &x509.Certificate{IsCA: true, BasicConstraintsValid: true, Subject: pkix.Name{CommonName: "test authority"}})
	return a
}

func (a *authority) sign(t testing.TB, template *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template.SerialNumber = big.NewInt(time.Now().UnixNano())
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	template.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
	parent, parentKey := a.cert, a.key
	if parent == nil {
		parent, parentKey = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, parentKey)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert, key
}

func (a *authority) pool() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(a.cert)
	return p
}

func certPEM(c *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
}

func keyPEM(t testing.TB, k *ecdsa.PrivateKey) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

func writeFile(t testing.TB, path string, contents []byte) {
	t.Helper()
	if err := os.WriteFile(path, contents, 0o600); err != nil {
		t.Fatal(err)
	}
}

// issue writes a new certificate and its key.
func (a *authority) issue(t testing.TB, files TLS) *x509.Certificate {
	t.Helper()
	cert, key := a.sign(t, &x509.Certificate{Subject: pkix.Name{CommonName: "appliance"}})
	writeFile(t, files.CertFile, certPEM(cert))
	writeFile(t, files.KeyFile, keyPEM(t, key))
	return cert
}

func tlsFiles(t testing.TB) TLS {
	t.Helper()
	dir := t.TempDir()
	return TLS{CertFile: filepath.Join(dir, "cert.pem"), KeyFile: filepath.Join(dir, "key.pem")}
}

// over sends a request over TLS and returns the status and the server's certificate.
func (r *running) over(t testing.TB, config *tls.Config) (int, *x509.Certificate, error) {
	t.Helper()
	transport := &http.Transport{TLSClientConfig: config}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: 10 * time.Second}
	resp, err := client.Post("https://"+r.addr+"/v1/traces", protobufType, bytes.NewReader(protobufOf(t, 1)))
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return 0, nil, err
	}
	return resp.StatusCode, resp.TLS.PeerCertificates[0], nil
}

func TestTLSAndItsReload(t *testing.T) {
	ca, files := newAuthority(t), tlsFiles(t)
	first := ca.issue(t, files)
	r := start(t, Config{TLS: files})
	trusting := &tls.Config{RootCAs: ca.pool()}
	served := func() *x509.Certificate {
		t.Helper()
		code, cert, err := r.over(t, trusting)
		if err != nil || code != 200 {
			t.Fatal(code, err)
		}
		return cert
	}
	if !served().Equal(first) {
		t.Error("another certificate than the configured one is served")
	}
	second := ca.issue(t, files)
	if !served().Equal(second) {
		t.Error("the new certificate is not served")
	}
	writeFile(t, files.CertFile, certPEM(first)) // of another key
	for range 2 {                                // the first one makes it look at the file
		if !served().Equal(second) {
			t.Error("a certificate that does not fit the key has replaced the good one")
		}
	}
	if n := r.Stats().ReloadErrors; n != 1 {
		t.Errorf("counted %d reload errors, want 1", n)
	}
	third := ca.issue(t, files)
	if !served().Equal(third) {
		t.Error("after the mistake the next good certificate is not served")
	}
}

func TestMutualTLS(t *testing.T) {
	ca, other, files := newAuthority(t), newAuthority(t), tlsFiles(t)
	ca.issue(t, files)
	files.ClientCAFile = filepath.Join(t.TempDir(), "ca.pem")
	writeFile(t, files.ClientCAFile, certPEM(ca.cert))
	r := start(t, Config{TLS: files})

	client := func(a *authority) *tls.Config {
		cert, key := a.sign(t, &x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
		return &tls.Config{
			RootCAs:      ca.pool(),
			Certificates: []tls.Certificate{{Certificate: [][]byte{cert.Raw}, PrivateKey: key}},
		}
	}
	good, stranger := client(ca), client(other)
	if code, _, err := r.over(t, good); err != nil || code != 200 {
		t.Errorf("client of the CA: %d, %v", code, err)
	}
	if _, _, err := r.over(t, &tls.Config{RootCAs: ca.pool()}); err == nil {
		t.Error("a client without a certificate was served")
	}
	if _, _, err := r.over(t, stranger); err == nil {
		t.Error("a client of another CA was served")
	}
	writeFile(t, files.ClientCAFile, certPEM(other.cert))
	if code, _, err := r.over(t, stranger); err != nil || code != 200 {
		t.Errorf("client of the new CA: %d, %v", code, err)
	}
	if _, _, err := r.over(t, good); err == nil {
		t.Error("a client of the old CA was served")
	}
	waitFor(t, func() bool { return r.Stats().TLSFailures == 3 })
}

// Who only looks whether the port is open, as Nomad's and others' checks do, is
// not a client whose handshake failed.
func TestPortWithTLSIsLookedAt(t *testing.T) {
	ca, files := newAuthority(t), tlsFiles(t)
	ca.issue(t, files)
	r := start(t, Config{TLS: files})
	look := func(send string) {
		c, err := net.Dial("tcp", r.addr)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(c, send); err != nil {
			t.Fatal(err)
		}
		if err := c.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, c) // until it is closed
		_ = c.Close()
	}
	look("")
	look("\x16\x03\x01\x02\x00\x01") // begins a handshake
	waitFor(t, func() bool { return r.Stats().TLSFailures > 0 })
	if n := r.Stats().TLSFailures; n != 1 {
		t.Errorf("%d handshakes failed, want 1", n)
	}
}

func TestTLSClientsThatAreNone(t *testing.T) {
	ca, files := newAuthority(t), tlsFiles(t)
	ca.issue(t, files)
	r := start(t, Config{TLS: files, ReadHeaderTimeout: 50 * time.Millisecond})
	for _, tt := range []struct{ name, send, want string }{
		{"plain http", head("Content-Length: 0"), "This port speaks HTTPS."},
		{"says nothing", "", ""},
		{"stops in the handshake", "\x16\x03\x01\x02\x00\x01", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := dial(t, r)
			send(t, c, tt.send)
			got, err := io.ReadAll(c)
			if ne, ok := err.(net.Error); ok && ne.Timeout() {
				t.Fatal("the connection stays open")
			}
			if !strings.Contains(string(got), tt.want) {
				t.Errorf("got %q", got)
			}
		})
	}
	// who says nothing may have looked whether the port is open
	waitFor(t, func() bool { return r.Stats().TLSFailures >= 2 })
	if n := r.Stats().TLSFailures; n != 2 {
		t.Errorf("%d handshakes failed, want 2", n)
	}
	if _, _, err := r.over(t, &tls.Config{RootCAs: ca.pool(), MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}); err == nil {
		t.Error("TLS 1.1 was accepted")
	}
	if _, _, err := r.over(t, &tls.Config{RootCAs: ca.pool(), NextProtos: []string{"spdy/3"}}); err == nil {
		t.Error("a client that wants neither HTTP/1.1 nor HTTP/2 was served")
	}
}

// Each mistake names the key of the file that is at fault, and what is wrong with it.
func TestTLSConfigMistakes(t *testing.T) {
	ca, other, files := newAuthority(t), newAuthority(t), tlsFiles(t)
	ca.issue(t, files)
	dir := t.TempDir()
	file := func(name string, contents []byte) string {
		path := filepath.Join(dir, name)
		writeFile(t, path, contents)
		return path
	}
	certText, err := os.ReadFile(files.CertFile)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(certText)
	empty, der := file("empty.pem", nil), file("c.der", block.Bytes)
	sealed := file("sealed.pem", pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: []byte("x")}))
	huge := file("huge.pem", make([]byte, 1<<20+1))
	utf16 := file("utf16.pem", []byte("\xff\xfe-\x00"))
	chain := file("chain.pem", append(certPEM(other.cert), certText...))
	for name, tt := range map[string]struct {
		tls       TLS
		key, want string
	}{
		"no key":            {TLS{CertFile: files.CertFile}, "cert_file", "needs key_file"},
		"client CA alone":   {TLS{ClientCAFile: empty}, "client_ca_file", "needs cert_file"},
		"missing":           {TLS{CertFile: "nowhere.pem", KeyFile: files.KeyFile}, "cert_file", "nowhere.pem: no such file"},
		"a directory":       {TLS{CertFile: files.CertFile, KeyFile: dir}, "key_file", "is a directory"},
		"switched":          {TLS{CertFile: files.KeyFile, KeyFile: files.CertFile}, "cert_file", "are the files switched?"},
		"DER":               {TLS{CertFile: der, KeyFile: files.KeyFile}, "cert_file", "it is DER, not PEM"},
		"empty":             {TLS{CertFile: files.CertFile, KeyFile: empty}, "key_file", "no private key in PEM"},
		"encrypted":         {TLS{CertFile: files.CertFile, KeyFile: sealed}, "key_file", "the key is encrypted"},
		"huge":              {TLS{CertFile: huge, KeyFile: files.KeyFile}, "cert_file", "is it the right file?"},
		"UTF-16":            {TLS{CertFile: utf16, KeyFile: files.KeyFile}, "cert_file", "save it as UTF-8"},
		"of another CA":     {TLS{CertFile: files.CertFile, KeyFile: files.KeyFile, ClientCAFile: empty}, "client_ca_file", "no certificate in PEM"},
		"the CA goes first": {TLS{CertFile: chain, KeyFile: files.KeyFile}, "key_file", "not the key of the first certificate"},
	} {
		_, err := New(usual(Config{TLS: tt.tls}), &everyNth{n: 1}, &memorySink{}, discardLog)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q in it", name, err, tt.want)
		}
		if of, ok := errors.AsType[*access.FileError](err); tt.key != "" && (!ok || of.Key != tt.key) {
			t.Errorf("%s: %v does not name %s", name, err, tt.key)
		}
	}
}

// A certificate that is out of date is served, and the log says why clients go away.
func TestCertificateOutOfDate(t *testing.T) {
	now := time.Now()
	ca, files := newAuthority(t), tlsFiles(t)
	ca.issue(t, files)
	pair, err := tls.LoadX509KeyPair(files.CertFile, files.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	old := *pair.Leaf
	old.NotBefore, old.NotAfter = now.Add(-2*time.Hour), now.Add(-time.Hour)
	der, err := x509.CreateCertificate(rand.Reader, &old, ca.cert, pair.Leaf.PublicKey, ca.key)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, files.CertFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	r := start(t, Config{TLS: files})
	if !strings.Contains(r.logs.String(), "the certificate is out of date") {
		t.Errorf("the log has no word about it: %s", r.logs)
	}
}

// Who speaks TLS to a plain port is told in the log, on both ports.
func TestTLSOnAPlainPort(t *testing.T) {
	r := start(t, Config{})
	lines := dial(t, r) // bytes that could be the ends of lines and of a header
	send(t, lines, "\x16\x03\x01\x02\x00\x01\n\r\n\r\n\r\nGET / HTTP/1.1\r\n\r\n")
	if _, err := io.ReadAll(lines); err != nil && !strings.Contains(err.Error(), "reset") {
		t.Error(err)
	}
	for _, addr := range []string{r.addr, r.GRPCAddr().String()} {
		c, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true})
		if err == nil {
			c.Close()
			t.Fatal("a handshake succeeded")
		}
	}
	waitFor(t, func() bool { return strings.Count(r.logs.String(), "a client speaks tls to a plain port") == 3 })
	if n := r.Stats().NotRequests; n != 3 {
		t.Errorf("counted %d", n)
	}
}

func TestServeEndsWithItsContext(t *testing.T) {
	r, err := New(usual(Config{Listen: "127.0.0.1:0"}), &everyNth{n: 1}, &memorySink{}, discardLog)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Listen(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	c, err := net.Dial("tcp", r.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	served := make(chan error)
	go func() { served <- r.Serve(ctx) }()
	cancel()
	if err := <-served; err != nil {
		t.Error(err)
	}
	if _, err := io.ReadAll(c); err != nil && !strings.Contains(err.Error(), "reset") {
		t.Error(err)
	}
}
