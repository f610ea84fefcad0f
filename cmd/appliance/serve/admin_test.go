package serve

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"appliance/internal/config"
)

// selfSigned is a certificate and its key, as PEM.
func selfSigned(t *testing.T) (cert, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})
}

// A certificate or secrets of http.listen that cannot be read again are counted,
// once for each reason, and what was last read stays.
func TestFilesOfHTTPThatCannotBeReadAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		write := func(name string, text []byte) string {
			t.Helper()
			path := filepath.Join(dir, name)
			if err := os.WriteFile(path, text, 0o600); err != nil {
				t.Fatal(err)
			}
			return path
		}
		cert, key := selfSigned(t)
		conf := config.Loaded{Config: config.Default()}
		conf.HTTP.TLS = config.TLS{CertFile: write("cert.pem", cert), KeyFile: write("key.pem", key)}
		conf.HTTP.Auth.BearerTokenFile = write("tokens", []byte("alpha\n"))
		var log bytes.Buffer
		a := &appliance{conf: conf, storage: &embedded{}, logger: slog.New(slog.NewTextHandler(&log, nil))}
		if err := a.openAdmin(t.Context()); err != nil {
			t.Fatal(err)
		}
		served := func() []byte {
			t.Helper()
			c, err := a.admin.TLSConfig.GetConfigForClient(nil)
			if err != nil {
				t.Fatal(err)
			}
			return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Certificates[0].Certificate[0]})
		}
		// look lets the files be looked at, by a client that shows the token.
		look := func(failures float64) {
			t.Helper()
			time.Sleep(tlsReload + time.Second)
			if !bytes.Equal(served(), cert) {
				t.Error("another certificate is served")
			}
			r := httptest.NewRequest(http.MethodGet, "/healthz", nil)
			r.Header.Set("Authorization", "Bearer alpha")
			w := httptest.NewRecorder()
			a.admin.Handler.ServeHTTP(w, r)
			if w.Code != http.StatusOK {
				t.Errorf("the token is answered %d", w.Code)
			}
			if got := samples(a.adminMetrics())["appliance_http_reload_failures_total"]; got != failures {
				t.Errorf("%v failures are counted, want %v; the log says\n%s", got, failures, log.String())
			}
		}
		look(0)
		write("key.pem", []byte("not a key"))
		look(1)
		look(1) // the same once more
		write("tokens", []byte("# none\n"))
		look(2)
		if n := strings.Count(log.String(), "cannot be read again"); n != 2 {
			t.Errorf("%d lines:\n%s", n, log.String())
		}
		write("tokens", []byte("alpha\n"))
		cert, key = selfSigned(t)
		write("cert.pem", cert)
		write("key.pem", key)
		look(2)
	})
}
