package receiver

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// dial opens a connection that is closed at the end of the test and never waits
// longer than 10 s.
func dial(t testing.TB, r *running) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", r.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return c
}

func send(t testing.TB, c net.Conn, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if _, err := io.WriteString(c, p); err != nil {
			t.Fatal(err)
		}
	}
}

// answers reads responses until the connection ends.
func answers(t testing.TB, c net.Conn) (codes []int, last *http.Response) {
	t.Helper()
	br := bufio.NewReader(c)
	for {
		resp, err := http.ReadResponse(br, nil)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("the connection stays open after %v", codes)
		}
		if err != nil {
			return codes, last
		}
		body, err := io.ReadAll(resp.Body)
		// it was closed while we were still sending
		if err != nil && !errors.Is(err, syscall.ECONNRESET) {
			t.Fatal(err)
		}
		resp.Body = io.NopCloser(bytes.NewReader(body))
		codes, last = append(codes, resp.StatusCode), resp
	}
}

func head(lines ...string) string {
	return "POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-protobuf\r\n" +
		strings.Join(append(lines, "\r\n"), "\r\n")
}

// filled is a head of so many bytes.
func filled(size int, lines ...string) string {
	h := head(append(lines, "Connection: close", "X-Fill: ")...)
	return strings.Replace(h, "X-Fill: ", "X-Fill: "+strings.Repeat("x", size-len(h)), 1)
}

func chunked(p []byte, size int) string {
	var b strings.Builder
	for len(p) > 0 {
		n := min(size, len(p))
		fmt.Fprintf(&b, "%x\r\n%s\r\n", n, p[:n])
		p = p[n:]
	}
	return b.String() + "0\r\n\r\n"
}

// Requests that net/http itself refuses are sent without their bodies: it
// closes at once, and an answer can get lost in the reset.
func TestFramingOfRequests(t *testing.T) {
	body := string(protobufOf(t, 1))
	length := fmt.Sprintf("Content-Length: %d", len(body))
	const coding = "Transfer-Encoding: chunked"
	for _, tt := range []struct {
		name string
		send string
		want []int // the connection ends after the last one
		kept int
	}{
		{"content-length", head(length, "Connection: close") + body, []int{200}, 1},
		{"chunked", head(coding, "Connection: close") + chunked([]byte(body), 50), []int{200}, 1},
		{"chunk extension", head(coding, "Connection: close") + "0;x=y\r\n\r\n", []int{200}, 0},
		{"trailer", head(coding, "Connection: close", "Trailer: X-Sum") + "0\r\nX-Sum: 1\r\n\r\n", []int{200}, 0},
		{"pipelined", head(length) + body + head(coding) + chunked([]byte(body), 7) + head(length, "Connection: close") + body, []int{200, 200, 200}, 3},
		{"length and coding", head(length, coding) + "0\r\n\r\n", []int{400}, 0},
		{"coding and length", head("transfer-encoding: Chunked", "content-length: 0") + "0\r\n\r\n", []int{400}, 0},
		{"two equal lengths", head(length, length) + body, []int{400}, 0},
		{"two lengths", head(length, "Content-Length: 0"), []int{400}, 0},
		{"list of lengths", head("Content-Length: 5, 5"), []int{400}, 0},
		{"length with a sign", head("Content-Length: +5"), []int{400}, 0},
		{"negative length", head("Content-Length: -5"), []int{400}, 0},
		{"empty length", head("Content-Length:"), []int{400}, 0},
		{"huge length", head("Content-Length: 99999999999999999999"), []int{400}, 0},
		{"two codings", head(coding, coding), []int{501}, 0},
		{"another coding", head("Transfer-Encoding: gzip"), []int{501}, 0},
		{"coding in HTTP/1.0", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", []int{400}, 0},
		{"folded length", head(" Content-Length: 5") + body, []int{400}, 0},
		{"folded header", head("X-A: b\r\n c", length) + body, []int{400}, 0},
		{"space before the colon", head("Content-Length : 5"), []int{400}, 0},
		{"bad request after a good one", head(length) + body + head(length, length) + body + head(length) + body, []int{200, 400}, 1},
		{"bad request behind a chunked one", head(coding) + chunked([]byte(body), 9) + head(length, coding) + "0\r\n\r\n", []int{200, 400}, 1},
		{"bad chunk size", head(coding) + "zz\r\n" + head(length) + body, []int{400}, 0},
		{"chunk longer than its size", head(coding) + "1\r\nab\r\n0\r\n\r\n" + head(length) + body, []int{400}, 0},
		{"http/2 preface without its end", "PRI * HTTP/2.0\r\n\r\nSN\r\n\r\n" + strings.Repeat("\x00", 9), []int{505}, 0},
		{"not http", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", []int{400}, 0},
		{"request line and header of 20 KiB", filled(20<<10, length) + body, []int{200}, 1},
		{"a byte more, beside what is read first to know HTTP/2", filled(20<<10+len("PRI * HTTP/2.0")+1, length) + body, []int{431}, 0},
		{"header flood", head(strings.Repeat("X-Flood: 0123456789\r\n", 2000)), []int{431}, 0},
		{"endless header line", head("X-Flood: " + strings.Repeat("x", 100_000)), []int{431}, 0},
		{"endless request line", "POST /" + strings.Repeat("x", 100_000) + " HTTP/1.1\r\n\r\n", []int{431}, 0},
	} {
		for _, pieces := range []int{1 << 20, 1} {
			if pieces == 1 && len(tt.send) > 10_000 {
				continue
			}
			t.Run(fmt.Sprintf("%s/in pieces of %d", tt.name, pieces), func(t *testing.T) {
				r := start(t, Config{})
				c := dial(t, r)
				// The server may hang up before all is sent.
				for p := range strings.SplitSeq(tt.send, "") {
					if pieces > 1 {
						_, _ = io.WriteString(c, tt.send)
						break
					}
					if _, err := io.WriteString(c, p); err != nil {
						break
					}
				}
				codes, _ := answers(t, c)
				if fmt.Sprint(codes) != fmt.Sprint(tt.want) {
					t.Errorf("answered %v, want %v", codes, tt.want)
				}
				if tt.want[0] == 431 {
					waitFor(t, func() bool { return r.Stats().NotRequests == 1 })
				}
				if got := r.sink.spans(t); got != tt.kept {
					t.Errorf("kept %d spans, want %d", got, tt.kept)
				}
			})
		}
	}
}

func TestSizeIsCheckedBeforeTheBodyIsRead(t *testing.T) {
	r := start(t, Config{MaxBodyBytes: 1024})
	for _, expect := range []string{"X: y", "Expect: 100-continue"} {
		c := dial(t, r)
		send(t, c, head("Content-Length: 1025", expect))
		codes, resp := answers(t, c)
		if fmt.Sprint(codes) != "[413]" {
			t.Fatalf("with %q answered %v, want only 413", expect, codes)
		}
		if !resp.Close {
			t.Errorf("with %q the connection stays open", expect)
		}
	}
}

// A sink that can keep nothing now spares the client the body, and us the work on it.
func TestSinkIsAskedBeforeTheBodyIsRead(t *testing.T) {
	sink := &memorySink{unready: &UnavailableError{RetryAfter: 7 * time.Second, Err: errors.New("full")}}
	r := startWith(t, Config{}, &everyNth{n: 1}, sink)
	c := dial(t, r)
	send(t, c, head(fmt.Sprintf("Content-Length: %d", 1<<20), "Expect: 100-continue"))
	codes, resp := answers(t, c)
	if fmt.Sprint(codes) != "[503]" || resp.Header.Get("Retry-After") != "7" {
		t.Errorf("answered %v with Retry-After %q, want only 503 with 7", codes, resp.Header.Get("Retry-After"))
	}
	exchange{body: protobufOf(t, 1), want: 503, says: "cannot be kept now"}.run(t, r)
	if n := sink.spans(t); n != 0 {
		t.Errorf("kept %d spans", n)
	}
}

func TestExpectedContinueIsSent(t *testing.T) {
	r := start(t, Config{})
	body := protobufOf(t, 2)
	c := dial(t, r)
	send(t, c, head(fmt.Sprintf("Content-Length: %d", len(body)), "Expect: 100-continue", "Connection: close"))
	br := bufio.NewReader(c)
	if line, err := br.ReadString('\n'); err != nil || line != "HTTP/1.1 100 Continue\r\n" {
		t.Fatalf("got %q, %v", line, err)
	}
	send(t, c, string(body))
	rest, err := io.ReadAll(br)
	if err != nil || !strings.Contains(string(rest), "HTTP/1.1 200 OK\r\n") {
		t.Fatalf("got %q, %v", rest, err)
	}
}

func TestBodyOfExactlyTheLimit(t *testing.T) {
	const limit = 300_000
	r := start(t, Config{MaxBodyBytes: limit})
	// empty unknown fields
	fit := append(spanWith(goodTrace, goodSpan), bytes.Repeat([]byte{0x7a, 0x00}, limit/2)...)
	fit = append(fit[:limit-4], 0x7a, 0x02, 0, 0)
	for _, tt := range []struct {
		name   string
		header string
		body   []byte
		want   string
	}{
		{"identity", "", fit, "[200]"},
		{"gzip", "Content-Encoding: gzip", gz(t, fit), "[200]"},
		{"gzip of many members", "Content-Encoding: gzip", gz(t, fit[:10], fit[10:200_000], fit[200_000:]), "[200]"},
		{"zstd", "Content-Encoding: zstd", zst(t, fit), "[200]"},
		{"zstd stream", "Content-Encoding: zstd", zstdStream(t, fit), "[200]"},
		{"identity, one byte more", "", append(bytes.Clone(fit), 0), "[413]"},
		{"gzip, one byte more", "Content-Encoding: gzip", gz(t, append(bytes.Clone(fit), 0)), "[413]"},
		{"gzip of many members, one byte more", "Content-Encoding: gzip", gz(t, fit[:10], fit[10:], []byte{0}), "[413]"},
		{"zstd, one byte more", "Content-Encoding: zstd", zst(t, append(bytes.Clone(fit), 0)), "[413]"},
		{"zstd stream, one byte more", "Content-Encoding: zstd", zstdStream(t, append(bytes.Clone(fit), 0)), "[413]"},
	} {
		for _, framed := range []string{"Content-Length", "Transfer-Encoding"} {
			t.Run(tt.name+"/"+framed, func(t *testing.T) {
				lines := []string{"Connection: close"}
				if tt.header != "" {
					lines = append(lines, tt.header)
				}
				body := string(tt.body)
				if framed == "Content-Length" {
					lines = append(lines, fmt.Sprintf("Content-Length: %d", len(body)))
				} else {
					lines = append(lines, "Transfer-Encoding: chunked")
					body = chunked(tt.body, 8000)
				}
				c := dial(t, r)
				send(t, c, head(lines...))
				// refused by its length, it may not be taken to the end
				_, _ = io.WriteString(c, body)
				if codes, _ := answers(t, c); fmt.Sprint(codes) != tt.want {
					t.Errorf("answered %v, want %s", codes, tt.want)
				}
			})
		}
	}
}

func TestSlowClientsAreCutOff(t *testing.T) {
	const soon = 300 * time.Millisecond
	cfg := Config{ReadHeaderTimeout: soon, ReadTimeout: soon, IdleTimeout: soon}
	for _, tt := range []struct {
		name string
		send string
		want string
	}{
		{"says nothing", "", "[]"},
		{"header", "POST /v1/traces HT", "[400]"}, // by net/http, which takes what there is for all
		{"body", head("Content-Length: 10") + "a", "[503]"},
		{"chunked body", head("Transfer-Encoding: chunked") + "5\r\nab", "[503]"},
		{"idle after a request", head("Content-Length: 0"), "[200]"},
		{"body nobody wants", "POST /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n", "[404]"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := start(t, cfg)
			c := dial(t, r)
			send(t, c, tt.send)
			if codes, _ := answers(t, c); fmt.Sprint(codes) != tt.want {
				t.Errorf("answered %v, want %s and the end", codes, tt.want)
			}
		})
	}
}

func TestSinkMayTakeLongerThanTheBody(t *testing.T) {
	gone := make(chan error, 1)
	sink := &memorySink{fail: func(ctx context.Context, _ Batch) error {
		select {
		case <-ctx.Done():
			gone <- ctx.Err()
			return ctx.Err()
		case <-time.After(time.Second): // more than ReadTimeout
			return nil
		}
	}}
	r := startWith(t, Config{ReadTimeout: 300 * time.Millisecond}, &everyNth{n: 1}, sink)
	exchange{body: protobufOf(t, 1), want: 200, kept: 1}.run(t, r)
	select {
	case err := <-gone:
		t.Errorf("the client seemed gone: %v", err)
	default:
	}
}

func TestDisconnectStoresNothing(t *testing.T) {
	body := string(protobufOf(t, 100))
	r := start(t, Config{})
	for _, part := range []string{
		head(fmt.Sprintf("Content-Length: %d", len(body))) + body[:len(body)-1],
		head("Transfer-Encoding: chunked") + strings.TrimSuffix(chunked([]byte(body), 1000), "0\r\n\r\n"),
	} {
		c := dial(t, r)
		send(t, c, part)
		c.Close()
	}
	waitFor(t, func() bool { return r.Stats().Requests[400] == 2 && r.Stats().InflightBytes == 0 })
	if n := r.sink.spans(t); n != 0 {
		t.Errorf("kept %d spans of requests that did not arrive", n)
	}
}

func TestClientThatNeverReadsIsCutOff(t *testing.T) {
	r := start(t, Config{writeTimeout: 50 * time.Millisecond})
	c := dial(t, r)
	request := strings.Repeat(head("Content-Length: 0"), 1000)
	for {
		if _, err := io.WriteString(c, request); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatal("the server neither reads nor closes")
		} else if err != nil {
			break
		}
	}
	waitFor(t, func() bool { return r.Stats().Connections == 0 })
}

func TestConnectionsAreBounded(t *testing.T) {
	r := start(t, Config{maxConnections: 2})
	first, second, third := dial(t, r), dial(t, r), dial(t, r)
	for _, c := range []net.Conn{first, second} {
		send(t, c, head("Content-Length: 0"))
		if resp, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil || resp.StatusCode != 200 {
			t.Fatal(resp, err)
		}
	}
	send(t, third, head("Content-Length: 0", "Connection: close"))
	if n := r.Stats().Connections; n != 2 {
		t.Errorf("%d connections are served, want 2", n)
	}
	first.Close()
	if codes, _ := answers(t, third); fmt.Sprint(codes) != "[200]" {
		t.Errorf("the third was answered %v after the first had left", codes)
	}
}

// waitFor polls until what another goroutine does is done.
func waitFor(t testing.TB, done func() bool) {
	t.Helper()
	deadline := time.After(time.Minute)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("waited a minute in vain")
		}
	}
}
