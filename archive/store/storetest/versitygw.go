package storetest

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// What the gateway's clients sign with.
const (
	accessKey = "test-access"
	secretKey = "test-secret-0123456789"
	region    = "us-east-1"
)

// A Gateway is a versitygw, a real S3 server, over a directory of the test's.
type Gateway struct {
	Addr string // host:port
	Dir  string // each bucket is a directory in it
	api  *minio.Client
}

// StartGateway starts the versitygw that the variable VERSITYGW names, until the
// test ends, and sets AWS_* to its credentials. Without it the test fails.
func StartGateway(t *testing.T) *Gateway {
	t.Helper()
	bin := os.Getenv("VERSITYGW")
	if bin == "" {
		t.Fatal("VERSITYGW does not name a versitygw; .ci/peers/build versitygw makes .cache/peers/bin/versitygw")
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	g := &Gateway{Addr: listener.Addr().String(), Dir: t.TempDir()}
	must(t, listener.Close())
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	must(t, err)
	cmd := exec.Command(bin, "--port", g.Addr, "--access", accessKey, "--secret", secretKey, "--region", region, "--quiet", "--keep-alive", "posix", g.Dir)
	cmd.Stdout, cmd.Stderr = log, log
	must(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		_ = log.Close()
		if t.Failed() {
			text, _ := os.ReadFile(log.Name())
			t.Logf("versitygw said:\n%s", text)
		}
	})
	t.Setenv("AWS_ACCESS_KEY_ID", accessKey)
	t.Setenv("AWS_SECRET_ACCESS_KEY", secretKey)
	t.Setenv("AWS_SESSION_TOKEN", "")
	t.Setenv("AWS_REGION", "")
	t.Setenv("AWS_DEFAULT_REGION", "")
	g.api, err = minio.New(g.Addr, &minio.Options{Creds: credentials.NewStaticV4(accessKey, secretKey, ""), Region: region, MaxRetries: 1})
	must(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for {
		if _, err = g.api.ListBuckets(ctx); err == nil {
			return g
		}
		if ctx.Err() != nil {
			t.Fatalf("versitygw does not answer: %v", err)
		}
	}
}

// Bucket makes an empty bucket of that name.
func (g *Gateway) Bucket(t *testing.T, name string) {
	t.Helper()
	must(t, g.api.MakeBucket(t.Context(), name, minio.MakeBucketOptions{Region: region}))
}

// URL is that of a store in a bucket, asked through endpoint; "" is the gateway itself.
func (g *Gateway) URL(bucketAndPrefix, endpoint string) string {
	if endpoint == "" {
		endpoint = g.Addr
	}
	return fmt.Sprintf("s3://%s?endpoint=%s&insecure=true&region=%s", bucketAndPrefix, endpoint, region)
}
