//go:build peers

package store_test

import (
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"

	"appliance/archive/store"
	"appliance/archive/store/storetest"
)

// What a real server refuses is said with what to do.
func TestBucketErrorsSayWhatToDo(t *testing.T) {
	g := storetest.StartGateway(t)
	g.Bucket(t, "there")
	tls := httptest.NewUnstartedServer(http.NotFoundHandler())
	tls.Config.ErrorLog = log.New(io.Discard, "", 0) // of the handshake that is refused
	tls.StartTLS()
	defer tls.Close()
	plain := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>a web page</html>") }))
	defer plain.Close()
	secure := httptest.NewUnstartedServer(http.NotFoundHandler())
	secure.Config.ErrorLog = tls.Config.ErrorLog
	secure.StartTLS()
	defer secure.Close()
	garbage := listenGarbage(t)
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	for name, row := range map[string]struct {
		url, key, secret string
		want             string
		is               error
	}{
		"no bucket":      {url: g.URL("nothing", ""), want: "bucket nothing does not exist; create it, or correct the URL"},
		"wrong secret":   {url: g.URL("there", ""), secret: "wrong", want: "check the credentials", is: store.ErrDenied},
		"wrong key":      {url: g.URL("there", ""), key: "wrong", want: "check the credentials", is: store.ErrDenied},
		"not listening":  {url: "s3://there?insecure=true&endpoint=" + host(closed), want: "the endpoint cannot be reached; check endpoint="},
		"no such host":   {url: "s3://there?insecure=true&endpoint=no.such.host.invalid", want: "the endpoint cannot be reached; check endpoint="},
		"plain for TLS":  {url: "s3://there?region=a&endpoint=" + host(plain), want: "add insecure=true"},
		"no TLS at all":  {url: "s3://there?region=a&endpoint=" + garbage, want: "add insecure=true"},
		"TLS for plain":  {url: "s3://there?region=a&insecure=true&endpoint=" + host(secure), want: "take insecure=true out of the URL"},
		"unknown CA":     {url: "s3://there?region=a&endpoint=" + host(tls), want: "SSL_CERT_FILE"},
		"not S3":         {url: "s3://there?region=a&insecure=true&endpoint=" + host(plain), want: "does not answer as S3 does"},
		"another region": {url: strings.Replace(g.URL("there", ""), "us-east-1", "eu-west-9", 1), want: "another region; set region="},
	} {
		t.Run(name, func(t *testing.T) {
			for variable, value := range map[string]string{"AWS_ACCESS_KEY_ID": row.key, "AWS_SECRET_ACCESS_KEY": row.secret} {
				if value != "" {
					t.Setenv(variable, value)
				}
			}
			_, err := store.Open(t.Context(), row.url, store.Options{})
			if err == nil || !strings.Contains(err.Error(), row.want) || row.is != nil && !errors.Is(err, row.is) {
				t.Errorf("want %q, got %v", row.want, err)
			}
		})
	}
}

// The proxy is that of the environment, which Go reads once a process.
func TestUnreachableProxyIsNamed(t *testing.T) {
	if os.Getenv("HTTPS_PROXY") == "" {
		again := exec.Command(os.Args[0], "-test.run=^TestUnreachableProxyIsNamed$")
		again.Env = append(os.Environ(), "HTTPS_PROXY=http://127.0.0.1:1")
		if out, err := again.CombinedOutput(); err != nil {
			t.Errorf("%v: %s", err, out)
		}
		return
	}
	t.Setenv("AWS_ACCESS_KEY_ID", "a")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "b")
	_, err := store.Open(t.Context(), "s3://there?region=a&endpoint=s3.example.invalid", store.Options{})
	if err == nil || !strings.Contains(err.Error(), "HTTPS_PROXY") {
		t.Errorf("got %v", err)
	}
}

// A HEAD is refused without a word: the reason is asked for.
func TestExpiredCredentialsAreSaidSo(t *testing.T) {
	f := newFaulty(t)
	if err := put(t.Context(), f, "there", []byte("x")); err != nil {
		t.Fatal(err)
	}
	for code, want := range map[string]string{
		"ExpiredToken":         "the credentials have expired; renew them in AWS_ACCESS_KEY_ID",
		"RequestTimeTooSkewed": "the clock of this machine differs",
	} {
		f.set(answer(400, code))
		if _, err := f.Open(t.Context(), "there"); !errors.Is(err, store.ErrDenied) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", code, err)
		}
		f.set(nil)
	}
}

// listenGarbage answers whoever connects with what is neither TLS nor HTTP.
func listenGarbage(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(c, "220 mail.example ESMTP\r\n")
			_ = c.Close()
		}
	}()
	return l.Addr().String()
}

func host(s *httptest.Server) string {
	return s.Listener.Addr().String()
}
