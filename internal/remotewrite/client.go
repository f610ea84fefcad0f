package remotewrite

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"appliance/internal/config"
)

// ownHeaders are those of the protocol.
func ownHeaders(userAgent string) http.Header {
	return http.Header{
		"Content-Type":                      {"application/x-protobuf"},
		"Content-Encoding":                  {"snappy"},
		"X-Prometheus-Remote-Write-Version": {"0.1.0"},
		"User-Agent":                        {userAgent},
	}
}

const (
	answerWithin  = 30 * time.Second
	maxAnswer     = 4 << 10
	maxRetryAfter = 10 * time.Minute // what asks for more is not believed
)

// refusedError says that the same request would be refused again.
type refusedError struct{ err error }

func (e *refusedError) Error() string { return e.err.Error() }
func (e *refusedError) Unwrap() error { return e.err }

// unavailableError says that it may be taken later.
type unavailableError struct {
	after time.Duration // that the server asks to wait
	err   error
}

func (e *unavailableError) Error() string { return e.err.Error() }
func (e *unavailableError) Unwrap() error { return e.err }

// endpoint is where requests go.
type endpoint struct {
	url    string
	shown  string // without a password
	header http.Header
	secret secret
	client *http.Client
}

func newEndpoint(o Options) (*endpoint, error) {
	trusted, err := o.TLS.config()
	if err != nil {
		return nil, err
	}
	e := &endpoint{url: o.URL, shown: config.Redact(o.URL), header: ownHeaders(o.UserAgent), secret: o.secret()}
	for name, value := range o.Headers {
		e.header.Set(name, value)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = trusted
	e.client = &http.Client{
		Transport: transport,
		// A POST that is led elsewhere mostly becomes a GET.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return e, nil
}

// post sends a request once. Errors are a refusedError or an unavailableError.
func (e *endpoint) post(ctx context.Context, body []byte) error {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, e.url, bytes.NewReader(body))
	if err != nil {
		return &refusedError{err}
	}
	req.Header = e.header.Clone()
	authorization, err := e.secret.header()
	if err != nil {
		return &unavailableError{err: err}
	}
	if authorization != "" {
		req.Header.Set("Authorization", authorization)
	}
	resp, err := e.client.Do(req)
	if err != nil {
		if u, ok := errors.AsType[*url.Error](err); ok {
			err = u.Err // without the URL
		}
		todo := "metrics.remote_write.url, and that the server is there"
		if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
			todo = "metrics.remote_write.tls.ca_file"
		}
		return &unavailableError{err: fmt.Errorf("send metrics to %s: %w; check %s", e.shown, err, todo)}
	}
	defer resp.Body.Close()
	answer, _ := io.ReadAll(io.LimitReader(resp.Body, maxAnswer)) // the status says what counts
	if resp.StatusCode/100 == 2 {
		return nil
	}
	err = fmt.Errorf("send metrics to %s: it answers %s: %.200q%s", e.shown, resp.Status, bytes.TrimSpace(answer), hint(resp))
	if resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode >= 500 {
		return &unavailableError{retryAfter(resp.Header), err}
	}
	return &refusedError{err}
}

// hint says what to do about an answer.
func hint(resp *http.Response) string {
	switch resp.StatusCode {
	case http.StatusBadRequest, http.StatusConflict:
		return "; where it says out of order or duplicate, another sender has the same labels: set metrics.remote_write.labels"
	case http.StatusUnauthorized, http.StatusForbidden:
		return "; check metrics.remote_write.bearer_token_file or basic_auth_file"
	case http.StatusNotFound, http.StatusMethodNotAllowed:
		return "; check the path of metrics.remote_write.url: that of a Prometheus is /api/v1/write, and it needs --web.enable-remote-write-receiver"
	}
	if to, err := resp.Location(); err == nil {
		return "; set metrics.remote_write.url to where it leads, " + to.Redacted()
	}
	return ""
}

// retryAfter is what the server asks for, in seconds or as a date.
func retryAfter(h http.Header) time.Duration {
	value := h.Get("Retry-After")
	if seconds, err := strconv.ParseUint(value, 10, 31); err == nil {
		return min(time.Duration(seconds)*time.Second, maxRetryAfter)
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(0, min(time.Until(at), maxRetryAfter))
	}
	return 0
}
