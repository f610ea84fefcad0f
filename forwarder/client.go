package forwarder

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
)

// maxAnswer bounds what Tempo may answer, in bytes.
const maxAnswer = 64 << 10

const maxRetryAfter = time.Minute

// client posts OTLP/HTTP requests.
type client struct {
	transport *http.Transport
	timeout   time.Duration
}

func newClient(timeout time.Duration, connections int) *client {
	return &client{
		timeout: timeout,
		transport: &http.Transport{
			Proxy:               http.ProxyFromEnvironment,
			DialContext:         dial,
			MaxIdleConnsPerHost: connections,
			IdleConnTimeout:     30 * time.Second,
			DisableCompression:  true,
		},
	}
}

// TracesURL makes a person's tempo_url the URL that takes traces: a URL without
// a path gets /v1/traces.
func TracesURL(base string) (string, error) {
	u, err := url.Parse(base)
	if err != nil {
		return "", fmt.Errorf("parse Tempo's URL: %w", err)
	}
	if u.Path == "" || u.Path == "/" {
		u.Path = "/v1/traces"
	}
	return u.String(), nil
}

// post sends a request. It returns nil, an *unavailableError, a *refusedError
// or a *partialError. The payload is the caller's again when it returns.
func (c *client) post(ctx context.Context, endpoint, tenant string, payload []byte) error {
	var reading sync.WaitGroup
	defer reading.Wait() // not long: the connection of an unfinished request is closed
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, nil)
	if err != nil {
		return &unavailableError{err: err}
	}
	req.Body = bodyOf(payload, &reading)
	req.ContentLength = int64(len(payload))
	req.GetBody = func() (io.ReadCloser, error) { return bodyOf(payload, &reading), nil }
	if u := req.URL.User; u != nil {
		password, _ := u.Password()
		req.SetBasicAuth(u.Username(), password)
	}
	req.Header.Set("Content-Type", "application/x-protobuf")
	req.Header.Set("User-Agent", "appliance")
	if tenant != "" {
		req.Header.Set("X-Scope-OrgID", tenant)
	}
	resp, err := c.transport.RoundTrip(req) // not a Client: it would follow redirects
	if err != nil {
		return &unavailableError{lost: true, err: err}
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return &unavailableError{lost: true, err: fmt.Errorf("read Tempo's answer: %w", err)}
	}
	if len(answer) > maxAnswer && resp.StatusCode < http.StatusMultipleChoices {
		return &unavailableError{err: fmt.Errorf("what answers is not an OTLP receiver: HTTP %d with more than %d bytes", resp.StatusCode, maxAnswer)}
	}
	return answerError(resp.StatusCode, resp.Header, answer)
}

// answerError sorts an answer by the rules of the OTLP/HTTP specification,
// widened by what Tempo does: 500 stands for rate limits too, and a wrong
// address or token is our operator's mistake, for which no data should be lost.
func answerError(status int, header http.Header, answer []byte) error {
	switch status {
	case http.StatusOK, http.StatusAccepted, http.StatusNoContent:
		resp, err := decodeAnswer(header, answer)
		if err != nil {
			return &unavailableError{err: fmt.Errorf("what answers is not an OTLP receiver: %w: %s", err, excerpt(status, answer))}
		}
		if n := resp.PartialSuccess().RejectedSpans(); n > 0 {
			return &partialError{spans: int(min(n, 1<<30)), reason: resp.PartialSuccess().ErrorMessage()}
		}
		return nil
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity:
		return &refusedError{reason: excerpt(status, answer)}
	}
	return &unavailableError{retryAfter: retryAfter(header), limited: status == http.StatusTooManyRequests, err: errors.New(excerpt(status, answer))}
}

// decodeAnswer decodes an ExportTraceServiceResponse. Any page answers 200, and
// many bodies are valid protobuf, an empty one too: so only the content type of
// OTLP makes an answer Tempo's word.
func decodeAnswer(header http.Header, answer []byte) (resp ptraceotlp.ExportResponse, err error) {
	resp = ptraceotlp.NewExportResponse()
	kind := header.Get("Content-Type")
	media, _, err := mime.ParseMediaType(kind)
	switch {
	case err != nil, media != "application/x-protobuf" && media != "application/json":
		err = fmt.Errorf("its answer has content type %q, want application/x-protobuf", kind)
	case media == "application/json":
		err = resp.UnmarshalJSON(answer)
	default:
		err = resp.UnmarshalProto(answer)
	}
	if server := header.Get("Server"); err != nil && server != "" {
		err = fmt.Errorf("%w (server %q)", err, server)
	}
	return resp, err
}

// retryAfter is what Tempo asked for, in seconds or as a date; at most a minute.
func retryAfter(h http.Header) time.Duration {
	value := h.Get("Retry-After")
	if seconds, err := strconv.Atoi(value); err == nil {
		return time.Duration(min(max(0, seconds), int(maxRetryAfter/time.Second))) * time.Second
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(0, min(time.Until(at), maxRetryAfter))
	}
	return 0
}

// excerpt is what a person needs of an error answer: the status and the
// printable start of the body.
func excerpt(status int, answer []byte) string {
	text := strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == '\uFFFD' {
			return -1
		}
		return r
	}, string(answer[:min(len(answer), 300)]))
	return strings.TrimSpace(fmt.Sprintf("HTTP %d %s", status, strings.TrimSpace(text)))
}
