package receiver

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// conn is a client's connection as net/http sees it, in plain text: what is
// read is followed by framing, and no write waits longer than writeTimeout for
// a client that does not read.
type conn struct {
	net.Conn              // a *tls.Conn or raw itself
	raw          net.Conn // the socket
	socket       socket   // likewise, of a connection with TLS
	writeTimeout time.Duration
	grpc         bool // it came to the port of OTLP/gRPC
	framing      framing
	writing      sync.Mutex   // held during a write
	answered     atomic.Int64 // requests that reached the handler
	shaken       bool         // the TLS handshake is over
	unshakable   bool         // it has failed
	closed       atomic.Bool
	onHandshake  func(*conn, error)
	onClose      func(*conn)
}

func (c *conn) Read(p []byte) (int, error) {
	if tc, ok := c.Conn.(*tls.Conn); ok && !c.shaken {
		if err := c.handshake(tc); err != nil {
			return 0, err
		}
	}
	c.awaitWrite()
	n, err := c.Conn.Read(p)
	if n > 0 {
		c.framing.follow(p[:n])
	}
	return n, err
}

// awaitWrite waits for a write under way. In HTTP/2 many frames want an answer,
// which waits in memory to be written: from a client that does not take these,
// nothing more is read.
func (c *conn) awaitWrite() {
	c.writing.Lock()
	defer c.writing.Unlock()
}

// handshake runs under the read deadline that net/http has set for the header.
func (c *conn) handshake(tc *tls.Conn) error {
	if c.unshakable { // net/http asks more than once
		return io.EOF
	}
	if err := c.raw.SetWriteDeadline(time.Now().Add(c.writeTimeout)); err != nil {
		return err
	}
	err := tc.Handshake()
	c.shaken, c.unshakable = err == nil, err != nil
	if err == nil {
		return nil
	}
	if rec, ok := errors.AsType[tls.RecordHeaderError](err); ok && rec.Conn != nil {
		_, _ = io.WriteString(rec.Conn, wantsTLS(rec.RecordHeader))
	}
	c.onHandshake(c, err)
	return io.EOF // net/http has nothing to answer
}

// wantsTLS is what a client that began in plain text is told, in its protocol.
func wantsTLS(head [5]byte) string {
	switch string(head[:]) {
	case "GET /", "HEAD ", "POST ", "PUT /", "OPTIO":
		return "HTTP/1.0 400 Bad Request\r\nConnection: close\r\n\r\nThis port speaks HTTPS.\n"
	case "PRI *": // HTTP/2
		const hint = "This port speaks TLS."
		// Empty SETTINGS, then GOAWAY with INADEQUATE_SECURITY.
		return "\x00\x00\x00\x04\x00\x00\x00\x00\x00" +
			"\x00\x00" + string(rune(8+len(hint))) + "\x07\x00\x00\x00\x00\x00" + "\x00\x00\x00\x00" + "\x00\x00\x00\x0c" + hint
	}
	return ""
}

func (c *conn) Write(p []byte) (int, error) {
	c.writing.Lock()
	defer c.writing.Unlock()
	if err := c.raw.SetWriteDeadline(time.Now().Add(c.writeTimeout)); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}

// CloseWrite lets net/http say goodbye before it closes a connection on which
// the client is still sending; without it the answer is lost in a reset.
func (c *conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

func (c *conn) Close() error {
	if !c.closed.Swap(true) {
		c.onClose(c)
	}
	return c.Conn.Close()
}

// socket knows whether the client has said anything.
type socket struct {
	net.Conn
	heard bool // for the goroutine that reads
}

func (s *socket) Read(p []byte) (int, error) {
	n, err := s.Conn.Read(p)
	s.heard = s.heard || n > 0
	return n, err
}

type connKey struct{}

func withConn(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, c)
}

// connOf returns nil for a request that did not come through Serve.
func connOf(r *http.Request) *conn {
	c, _ := r.Context().Value(connKey{}).(*conn)
	return c
}
