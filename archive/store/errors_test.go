//go:build peers

package store_test

import (
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
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

func host(s *httptest.Server) string {
	return s.Listener.Addr().String()
}
