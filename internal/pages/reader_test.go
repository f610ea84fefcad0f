package pages

import (
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// pipes is a listener whose connections buffer nothing.
type pipes chan net.Conn

func (p pipes) Accept() (net.Conn, error) {
	if c, ok := <-p; ok {
		return c, nil
	}
	return nil, net.ErrClosed
}

func (p pipes) Close() error   { close(p); return nil }
func (p pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "pipe"} }

// TestWhoeverDoesNotRead has as many clients that do not read as there are pages
// at once. They lose their connections, and all others have their pages again.
func TestWhoeverDoesNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		long := strings.Repeat("all is well\n", 100_000)
		h, err := New(Options{Status: func() Status { return Status{Text: long} }, Logger: slog.New(slog.DiscardHandler)})
		must(t, err)
		code := func() int {
			answer := httptest.NewRecorder()
			h.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/status", nil))
			return answer.Code
		}
		listener, server := make(pipes), &http.Server{Handler: h}
		served := make(chan error)
		go func() { served <- server.Serve(listener) }()
		var clients []net.Conn
		for range maxPages {
			client, conn := net.Pipe()
			listener <- conn
			_, err := io.WriteString(client, "GET /status HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
			must(t, err)
			clients = append(clients, client)
		}
		synctest.Wait()
		if got := code(); got != http.StatusServiceUnavailable {
			t.Errorf("code %d while all turns are taken", got)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if got := code(); got != http.StatusOK {
			t.Errorf("code %d an hour later", got)
		}
		for _, c := range clients {
			if got, err := io.ReadAll(c); err != nil || len(got) >= len(long) {
				t.Errorf("a client that did not read has %d bytes, %v", len(got), err)
			}
			c.Close()
		}
		must(t, server.Close())
		<-served
	})
}
