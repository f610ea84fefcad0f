package query

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"testing"
	"testing/synctest"
	"time"

	"github.com/grafana/tempo/pkg/tempopb"
)

// pipes is a listener of connections in memory, whose deadlines are those of synctest.
type pipes struct {
	dialed chan net.Conn
	closed chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.dialed:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}
func (p *pipes) Close() error   { close(p.closed); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

// overPipes serves h and returns a client for a protocol. To be called in a bubble of synctest.
func overPipes(t *testing.T, h http.Handler, http2 bool) (client *http.Client, stop func()) {
	t.Helper()
	p := &pipes{make(chan net.Conn), make(chan struct{})}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(!http2)
	protocols.SetUnencryptedHTTP2(http2)
	server := &http.Server{Handler: h, Protocols: protocols}
	go func() { _ = server.Serve(p) }()
	transport := &http.Transport{Protocols: protocols, HTTP2: &http.HTTP2Config{MaxReceiveBufferPerStream: 64 << 10}, DialContext: func(context.Context, string, string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		p.dialed <- theirs
		return ours, nil
	}}
	return &http.Client{Transport: transport}, func() {
		transport.CloseIdleConnections()
		_ = server.Close()
	}
}

// largeArchive has one trace of 3 MiB.
type largeArchive struct{ Archive }

func (largeArchive) FindTrace(context.Context, string, []byte, int64, int64, func(string) bool) (*tempopb.TraceByIDResponse, []error, error) {
	tr := spansNamed("a")
	tr.ResourceSpans[0].ScopeSpans[0].Spans[0].Name = string(bytes.Repeat([]byte("x"), 3<<20))
	return &tempopb.TraceByIDResponse{Trace: tr}, nil, nil
}

func protocolsNamed() map[string]bool { return map[string]bool{"HTTP/1.1": false, "HTTP/2": true} }

// A client that does not read holds a turn for so long and no longer; one that reads slowly gets its answer.
func TestAClientThatDoesNotReadLosesItsAnswer(t *testing.T) {
	for name, http2 := range protocolsNamed() {
		for _, pause := range []time.Duration{stall / 2, 2 * stall} {
			t.Run(name+pause.String(), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					h := New(Options{Backend: func() (Backend, error) { return Backend{}, errors.New("starting") }, Archive: largeArchive{}, Logger: slog.New(slog.DiscardHandler)})
					client, stop := overPipes(t, h, http2)
					defer stop()
					defer h.grpc.close()
					resp, err := client.Get("http://api/api/v2/traces/af")
					if err != nil {
						t.Fatal(err)
					}
					synctest.Wait()
					if len(h.turns) != 1 {
						t.Errorf("%d turns are held while it does not read", len(h.turns))
					}
					read := 0
					for err == nil { // 1 MiB at a time
						_ = after(t.Context(), pause)
						var n int64
						n, err = io.CopyN(io.Discard, resp.Body, 1<<20)
						read += int(n)
					}
					resp.Body.Close()
					synctest.Wait()
					if whole := errors.Is(err, io.EOF) && read > 3<<20; whole != (pause < stall) {
						t.Errorf("%d bytes, %v", read, err)
					}
					if len(h.turns) != 0 {
						t.Errorf("%d turns are held", len(h.turns))
					}
				})
			})
		}
	}
}

// pausingTempo sends a part of its body, and the rest after 4 minutes.
type pausingTempo struct{}

func (pausingTempo) RoundTrip(r *http.Request) (*http.Response, error) {
	rest := &lateBody{r.Context(), 4 * time.Minute}
	body := struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(make([]byte, 64<<10)), rest), rest}
	return &http.Response{StatusCode: 200, Header: http.Header{}, ContentLength: -1, Body: body}, nil
}

func TestAnAnswerThatPausesIsPassedOn(t *testing.T) {
	for name, http2 := range protocolsNamed() {
		for way, archive := range map[string]Archive{"proxied": nil, "passed on": &fakeArchive{}} {
			t.Run(name+" "+way, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					h := New(Options{Backend: func() (Backend, error) { return Backend{HTTP: &url.URL{Scheme: "http", Host: "tempo"}}, nil }, Archive: archive, Logger: slog.New(slog.DiscardHandler)})
					h.proxy.Transport = pausingTempo{}
					client, stop := overPipes(t, h, http2)
					defer stop()
					defer h.grpc.close()
					resp, err := client.Get("http://api/api/search?q=%7B%7D")
					if err != nil {
						t.Fatal(err)
					}
					defer resp.Body.Close()
					if body, err := io.ReadAll(resp.Body); err != nil || len(body) < 64<<10+10 {
						t.Errorf("%d bytes, %v", len(body), err)
					}
				})
			})
		}
	}
}
