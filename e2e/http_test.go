package e2e

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"appliance/e2e/internal/harness"
)

// patience is how long a test waits on a connection that ought to be answered or closed.
const patience = 10 * time.Second

// TestHTTP writes requests byte by byte, as no HTTP library would.
func TestHTTP(t *testing.T) {
	backend := harness.NewBackend(t)
	a := harness.Start(t, harness.Options{Env: backend.Env()})
	body := string(requestOf(goodSpan()))
	post := func(headers ...string) string {
		return "POST /v1/traces HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-protobuf\r\n" + strings.Join(headers, "\r\n") + "\r\n\r\n"
	}
	length := fmt.Sprintf("Content-Length: %d", len(body))
	chunk := fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(body), body)
	for name, c := range map[string]struct {
		send   string
		hangUp bool // close after sending, as a client that dies
		status int  // 0: a refusal or no answer at all
		header string
		spans  int
	}{
		"post to the root":              {send: "POST / HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-protobuf\r\n" + length + "\r\n\r\n" + body, status: 200, spans: 1},
		"get":                           {send: "GET /v1/traces HTTP/1.1\r\nHost: a\r\n\r\n", status: 405, header: "Allow"},
		"put":                           {send: "PUT /v1/traces HTTP/1.1\r\nHost: a\r\n" + length + "\r\n\r\n" + body, status: 405, header: "Allow"},
		"another path":                  {send: "POST /v1/metrics HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", status: 404},
		"a slash too many":              {send: "POST /v1/traces/ HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", status: 404},
		"a double slash":                {send: "POST //v1/traces HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", status: 404},
		"dots":                          {send: "POST /x/../v1/traces HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", status: 404},
		"too long":                      {send: post("Content-Length: 16777217"), status: 413},
		"too long, asked first":         {send: post("Content-Length: 16777217", "Expect: 100-continue"), status: 413},
		"length and chunks":             {send: post(length, "Transfer-Encoding: chunked") + chunk, status: 400},
		"two lengths":                   {send: post(length, "Content-Length: 1") + body, status: 400},
		"a length that is no number":    {send: post("Content-Length: ten") + body, status: 400},
		"a chunk size that is none":     {send: post("Transfer-Encoding: chunked") + "zz\r\n", status: 400},
		"chunks cut off":                {send: post("Transfer-Encoding: chunked") + chunk[:len(chunk)-20], hangUp: true},
		"body cut off":                  {send: post(length) + body[:10], hangUp: true},
		"headers without end":           {send: "POST /v1/traces HTTP/1.1\r\nHost: a\r\n" + strings.Repeat("X-Flood: "+strings.Repeat("a", 1000)+"\r\n", 3000), status: 431},
		"a header of 3 MB":              {send: "POST /v1/traces HTTP/1.1\r\nHost: a\r\nX-Flood: " + strings.Repeat("a", 3<<20), status: 431},
		"HTTP/2 with prior knowledge":   {send: "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00"},
		"no HTTP":                       {send: "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 hello\r\n\r\n"},
		"control characters in the way": {send: "POST /%1b%5b31m%0a HTTP/1.1\r\nHost: a\r\nUser-Agent: x\r\nContent-Length: 0\r\n\r\n", status: 404},
	} {
		t.Run(name, func(t *testing.T) {
			before, arrived := a.Account(t), backend.Spans()
			answer, err := talk(t, a.Intake, c.send, c.hangUp)
			switch {
			case c.status == 0 && err == nil && answer.StatusCode < 400:
				t.Errorf("status %d, want a refusal", answer.StatusCode)
			case c.status == 0 && errors.Is(err, errTimeout):
				t.Error("neither an answer nor an end")
			case c.status != 0 && err != nil:
				t.Fatalf("no answer: %v", err)
			case c.status != 0 && answer.StatusCode != c.status:
				t.Errorf("status %d, want %d", answer.StatusCode, c.status)
			}
			if c.header != "" && answer != nil && answer.Header.Get(c.header) == "" {
				t.Errorf("answer has no header %s", c.header)
			}
			if got := a.Account(t).Kept - before.Kept; got != int64(c.spans) {
				t.Errorf("%d spans were kept, want %d", got, c.spans)
			}
			arrive(t, backend, arrived+c.spans)
		})
	}
	holdAcknowledged(t, a, backend, 1)
	if i := strings.IndexFunc(a.Output(), func(r rune) bool { return r < ' ' && r != '\n' }); i >= 0 {
		t.Errorf("a control character is in the log: %q", a.Output()[max(0, i-100):i+1])
	}
}

// TestSlowClients holds connections open and says little on them. Each has a deadline.
func TestSlowClients(t *testing.T) {
	backend := harness.NewBackend(t)
	certificate := newCertificate(t)
	env := merged(backend.Env(), map[string]string{
		"APPLIANCE_RECEIVER_READ_HEADER_TIMEOUT": "500ms",
		"APPLIANCE_RECEIVER_READ_TIMEOUT":        "1s",
		"APPLIANCE_RECEIVER_IDLE_TIMEOUT":        "1s",
	})
	plain := harness.Start(t, harness.Options{Env: env})
	secure := harness.Start(t, harness.Options{Env: merged(env, certificate.env())})
	good := "POST /v1/traces HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-protobuf\r\nContent-Length: 0\r\n\r\n"
	for name, c := range map[string]struct {
		addr, send string
	}{
		"nothing":         {plain.Intake, ""},
		"half a header":   {plain.Intake, good[:30]},
		"half a body":     {plain.Intake, strings.Replace(good, "Length: 0", "Length: 100", 1) + "half"},
		"nothing further": {plain.Intake, good},
		"no handshake":    {secure.Intake, ""},
		"half a hello":    {secure.Intake, "\x16\x03\x01\x02\x00\x01"},
	} {
		t.Run(name, func(t *testing.T) {
			started := time.Now()
			conn := dial(t, c.addr)
			if _, err := io.WriteString(conn, c.send); err != nil {
				t.Fatal(err)
			}
			if _, err := io.Copy(io.Discard, conn); errors.Is(err, errTimeout) {
				t.Errorf("connection is still open after %s", time.Since(started))
			}
		})
	}
	for _, a := range []*harness.Appliance{plain, secure} {
		if l := a.Account(t); l.Received != 0 {
			t.Errorf("%d spans were received, none was sent as a whole", l.Received)
		}
	}
	if n := backend.Spans(); n != 0 {
		t.Errorf("%d spans at the backend, none was sent as a whole", n)
	}
}

// TestAccess checks who may send.
func TestAccess(t *testing.T) {
	backend := harness.NewBackend(t)
	certificate := newCertificate(t)
	a := harness.Start(t, harness.Options{Env: merged(backend.Env(), certificate.env(), map[string]string{
		"APPLIANCE_RECEIVER_AUTH_BEARER_TOKEN_FILE": writeFile(t, "tokens", "first-token\nsecond-token\n"),
		"APPLIANCE_RECEIVER_TENANTS":                "team-a,team-b",
	})})
	client := &http.Client{
		Timeout:   patience,
		Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: certificate.pool}},
	}
	for name, c := range map[string]struct {
		header http.Header
		status int
	}{
		"good":                   {access("Bearer first-token", "team-a"), 200},
		"the other token":        {access("Bearer second-token", "team-b"), 200},
		"no token":               {access("", "team-a"), 401},
		"bad token":              {access("Bearer third-token", "team-a"), 401},
		"beginning of a token":   {access("Bearer first", "team-a"), 401},
		"another scheme":         {access("Basic first-token", "team-a"), 401},
		"no tenant":              {access("Bearer first-token", ""), 403},
		"unknown tenant":         {access("Bearer first-token", "team-c"), 403},
		"tenant of parent path":  {access("Bearer first-token", ".."), 400},
		"tenant with path parts": {access("Bearer first-token", "team-a/../team-b"), 400},
		"tenant without end":     {access("Bearer first-token", strings.Repeat("a", 151)), 400},
	} {
		t.Run(name, func(t *testing.T) {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://"+a.Intake+"/v1/traces", bytes.NewReader(requestOf(goodSpan())))
			if err != nil {
				t.Fatal(err)
			}
			req.Header = c.header
			resp, err := client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if resp.StatusCode != c.status {
				t.Errorf("status %d, want %d", resp.StatusCode, c.status)
			}
		})
	}
	if strings.Contains(a.Output(), "first-token") {
		t.Error("a token is in the log")
	}
	holdAcknowledged(t, a, backend, 2)
}

// TestClientCertificate checks that with a CA only its clients get in.
func TestClientCertificate(t *testing.T) {
	backend := harness.NewBackend(t)
	certificate := newCertificate(t)
	a := harness.Start(t, harness.Options{Env: merged(backend.Env(), certificate.env(), map[string]string{
		"APPLIANCE_RECEIVER_TLS_CLIENT_CA_FILE": certificate.certFile, // it has signed itself
	})})
	for name, c := range map[string]struct {
		own  []tls.Certificate
		want bool
	}{"with": {[]tls.Certificate{certificate.pair}, true}, "without": {nil, false}} {
		t.Run(name, func(t *testing.T) {
			client := &http.Client{Timeout: patience, Transport: &http.Transport{
				TLSClientConfig: &tls.Config{RootCAs: certificate.pool, Certificates: c.own},
			}}
			resp, err := client.Post("https://"+a.Intake+"/v1/traces", harness.Protobuf, bytes.NewReader(requestOf(goodSpan())))
			if err == nil {
				resp.Body.Close()
			}
			if got := err == nil && resp.StatusCode == http.StatusOK; got != c.want {
				t.Errorf("accepted is %t, want %t: %v", got, c.want, err)
			}
		})
	}
}

// TestQuota sends more often than a client may.
func TestQuota(t *testing.T) {
	backend := harness.NewBackend(t)
	a := harness.Start(t, harness.Options{Env: merged(backend.Env(), map[string]string{
		"APPLIANCE_RECEIVER_CLIENT_REQUESTS_PER_SECOND": "1",
	})})
	statuses := map[int]int{}
	for range 20 {
		answer, err := a.Post(t.Context(), bytes.NewReader(requestOf(goodSpan())), asProtobuf)
		if err != nil {
			t.Fatal(err)
		}
		statuses[answer.Status]++
		if answer.Status == http.StatusTooManyRequests && answer.Header.Get("Retry-After") == "" {
			t.Error("429 without Retry-After")
		}
	}
	if statuses[http.StatusOK] == 0 || statuses[http.StatusTooManyRequests] == 0 || len(statuses) != 2 {
		t.Errorf("answers %v", statuses)
	}
	if l := a.Account(t); l.Kept != int64(statuses[http.StatusOK]) || l.Received != l.Kept {
		t.Errorf("answers %v, but of the ledger: %+v", statuses, l)
	}
}

// TestOverload sends more at once than the appliance may hold: each client
// withholds the end of its request until one was turned away. What each sends
// before fits into the buffers of its connection, or it might miss the answer,
// as it fails to write.
func TestOverload(t *testing.T) {
	const clients = 24
	backend := harness.NewBackend(t)
	a := harness.Start(t, harness.Options{Env: merged(backend.Env(), map[string]string{
		"APPLIANCE_RECEIVER_MAX_BODY_BYTES": "1MiB",
		"APPLIANCE_RECEIVER_INFLIGHT_BYTES": "8MiB",
		"APPLIANCE_RECEIVER_READ_TIMEOUT":   "5m", // so that nobody is turned away for being slow
	})})
	turnedAway := make(chan struct{})
	answers := make(chan *harness.Answer, clients)
	for range clients {
		body := padded(mebi)
		most, end := body[:len(body)-1], body[len(body)-1:]
		go func() {
			answer, err := a.Post(t.Context(), io.MultiReader(bytes.NewReader(most), &lateReader{turnedAway, bytes.NewReader(end)}), asProtobuf)
			if err != nil {
				t.Errorf("no answer: %v", err)
			}
			answers <- answer
		}()
	}
	statuses := map[int]int{}
	release := sync.OnceFunc(func() { close(turnedAway) })
	for range clients {
		answer := <-answers
		if answer == nil {
			release()
			continue
		}
		statuses[answer.Status]++
		if answer.Status == http.StatusServiceUnavailable {
			if answer.Header.Get("Retry-After") == "" {
				t.Error("503 without Retry-After")
			}
			release() // the others may end now
		}
	}
	if n := statuses[http.StatusServiceUnavailable]; n == 0 || n+statuses[http.StatusOK] != clients {
		t.Errorf("answers %v", statuses)
	}
	if answer, err := a.Post(t.Context(), bytes.NewReader(padded(mebi)), asProtobuf); err != nil || answer.Status != http.StatusOK {
		t.Errorf("send after the overload: %v, %+v", err, answer)
	}
	holdAcknowledged(t, a, backend, statuses[http.StatusOK]+1)
}

// lateReader has nothing until a channel is closed.
type lateReader struct {
	when <-chan struct{}
	io.Reader
}

func (r *lateReader) Read(p []byte) (int, error) {
	<-r.when
	return r.Reader.Read(p)
}

// TestSpoolFull sends to an appliance whose backend does not answer until the
// spool is full. What fits is kept, the rest is told to come back, and room is
// made as soon as the backend answers.
func TestSpoolFull(t *testing.T) {
	backend := harness.NewBackend(t)
	a := harness.Start(t, harness.Options{Env: merged(backend.Env(), map[string]string{
		"APPLIANCE_FORWARDER_SETTLE": "1s",
		"APPLIANCE_SPOOL_MAX_BYTES":  "64MiB",
	})})
	release := backend.Hold()
	defer release()
	acknowledged := 0
	send := func() *harness.Answer {
		t.Helper()
		answer, err := a.Post(t.Context(), bytes.NewReader(padded(4*mebi)), asProtobuf)
		if err != nil {
			t.Fatal(err)
		}
		if answer.Status == http.StatusOK {
			acknowledged++
		}
		return answer
	}
	for acknowledged < 20 && send().Status == http.StatusOK {
	}
	if acknowledged == 0 || acknowledged > 16 {
		t.Errorf("%d requests of 4 MiB were acknowledged with a spool of 64 MiB", acknowledged)
	}
	if answer := send(); answer.Status != http.StatusServiceUnavailable || answer.Header.Get("Retry-After") == "" {
		t.Errorf("with a full spool: status %d, headers %v", answer.Status, answer.Header)
	}
	if err := a.Ready(); err == nil || !strings.Contains(err.Error(), "503") || !strings.Contains(err.Error(), "the spool is full") {
		t.Errorf("with a full spool /ready says %v", err)
	}
	release()
	harness.Eventually(t, 30*time.Second, "room in the spool", func() error {
		if answer := send(); answer.Status != http.StatusOK {
			return fmt.Errorf("status %d: %q", answer.Status, answer.Body)
		}
		return nil
	})
	harness.Eventually(t, 30*time.Second, "ready again", a.Ready)
	harness.Eventually(t, 10*time.Second, "one log line for each change", func() error {
		for _, line := range []string{"the spool fills", "the spool is full;", "spans are taken again", "the spool has room again"} {
			if n := strings.Count(a.Output(), line); n != 1 {
				return fmt.Errorf("%q is said %d times", line, n)
			}
		}
		return nil
	})
	holdAcknowledged(t, a, backend, acknowledged)
}

// holdAcknowledged checks that the acknowledged spans are what was kept and what arrives.
func holdAcknowledged(t *testing.T, a *harness.Appliance, backend *harness.Backend, spans int) {
	t.Helper()
	a.Delivered(t, 30*time.Second)
	if n, kept := backend.Spans(), a.Account(t).Kept; n != spans || kept != int64(spans) {
		t.Errorf("%d spans were acknowledged, %d kept, %d are at the backend", spans, kept, n)
	}
}

func access(authorization, tenant string) http.Header {
	h := asProtobuf.Clone()
	if authorization != "" {
		h.Set("Authorization", authorization)
	}
	if tenant != "" {
		h.Set("X-Scope-OrgID", tenant)
	}
	return h
}

var errTimeout = errors.New("timeout")

// deadlineConn has one deadline for everything.
type deadlineConn struct{ net.Conn }

func (c deadlineConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if nerr, ok := err.(net.Error); ok && nerr.Timeout() {
		return n, errTimeout
	}
	return n, err
}

func dial(t *testing.T, addr string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return deadlineConn{conn}
}

// talk sends bytes and reads one answer.
func talk(t *testing.T, addr, send string, hangUp bool) (*http.Response, error) {
	t.Helper()
	conn := dial(t, addr)
	_, writeErr := io.WriteString(conn, send) // fails when the answer comes before all is sent
	if hangUp && writeErr == nil {
		writeErr = conn.(deadlineConn).Conn.(*net.TCPConn).CloseWrite()
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return nil, errors.Join(err, writeErr)
	}
	resp.Body.Close()
	return resp, nil
}
