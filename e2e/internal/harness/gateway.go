package harness

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// Gateway is a versitygw, a real S3 server over a directory.
type Gateway struct {
	*Process
	addr string
	dir  string
}

const (
	gatewayKey    = "test-access"
	gatewaySecret = "test-secret-0123456789"
	gatewayRegion = "us-east-1"
)

// StartGateway starts an S3 server with one bucket, "traces".
func StartGateway(t testing.TB) *Gateway {
	t.Helper()
	g := &Gateway{addr: FreePort(t), dir: t.TempDir()}
	if err := os.Mkdir(g.Bucket(), 0o755); err != nil {
		t.Fatal(err)
	}
	g.Start(t)
	return g
}

// Start starts it again after it was ended.
func (g *Gateway) Start(t testing.TB) {
	t.Helper()
	g.Process = StartProcess(t, "versitygw", exec.Command(Peer(t, "versitygw"), "--port", g.addr, "--access", gatewayKey, "--secret", gatewaySecret,
		"--region", gatewayRegion, "--quiet", "--keep-alive", "posix", g.dir))
	Eventually(t, readyPatience, "an S3 server", func() error {
		if !Listens(g.addr) {
			return fmt.Errorf("nothing listens on %s", g.addr)
		}
		return nil
	})
}

// Stop ends it by force.
func (g *Gateway) Stop(t testing.TB) {
	t.Helper()
	g.Signal(t, os.Kill)
	if !g.endedWithin(10 * time.Second) {
		t.Fatal("versitygw does not end")
	}
}

// Bucket is the directory with the bucket's objects.
func (g *Gateway) Bucket() string { return filepath.Join(g.dir, "traces") }

// URL is that of a store in the bucket.
func (g *Gateway) URL(prefix string) string {
	return fmt.Sprintf("s3://traces/%s?endpoint=%s&insecure=true&region=%s", prefix, g.addr, gatewayRegion)
}

// Env is what its clients sign with.
func (g *Gateway) Env() map[string]string {
	return map[string]string{"AWS_ACCESS_KEY_ID": gatewayKey, "AWS_SECRET_ACCESS_KEY": gatewaySecret}
}
