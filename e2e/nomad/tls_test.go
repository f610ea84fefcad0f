package nomad

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"math/big"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestPortsWithTLS holds that the checks of a real Nomad pass where both sides
// speak TLS: without them the job would never be healthy. They count as no failed
// handshakes.
func TestPortsWithTLS(t *testing.T) {
	a := startAgent(t, agentOptions{})
	cert, key := certificate(t)
	certFile, keyFile := a.write(t, "cert.pem", cert), a.write(t, "key.pem", key)
	spec := rawExec(t, filepath.Join(a.dir, "data"))
	for _, side := range []string{"http", "receiver"} {
		spec = append(spec, "--set", side+".tls.cert_file="+certFile, "--set", side+".tls.key_file="+keyFile)
	}
	a.appliance(t, append([]string{"register"}, spec...)...).mustExit(t, 0).mustSay(t, "job tempo is healthy")
	a.end(t, "tempo")

	client := http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	answer, err := client.Get("https://127.0.0.1:" + spec[slices.Index(spec, "--read-port")+1] + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	metrics, err := io.ReadAll(answer.Body)
	if err != nil || !strings.Contains(string(metrics), "\nappliance_receiver_tls_handshake_failures_total 0\n") {
		t.Errorf("%v, and handshakes failed, or are not counted", err)
	}
}

// certificate is one of its own signature, which no client trusts, and its key.
func certificate(t *testing.T) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"tracing.example"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}))
}
