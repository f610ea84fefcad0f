package receiver

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// conn is a client's connection as net/http sees it, in plain text: what is
// read is followed by framing, and no write waits longer than writeTimeout for
// a client that does not read.
type conn struct {
	net.Conn              // a *tls.Conn or raw itself
	raw          net.Conn // the socket
	writeTimeout time.Duration
	framing      framing
	answered     atomic.Int64 // requests that reached the handler
	shaken       bool         // the TLS handshake is over
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
	n, err := c.Conn.Read(p)
	if n > 0 {
		c.framing.follow(p[:n])
	}
	return n, err
}

// handshake runs under the read deadline that net/http has set for the header.
func (c *conn) handshake(tc *tls.Conn) error {
	if err := c.raw.SetWriteDeadline(time.Now().Add(c.writeTimeout)); err != nil {
		return err
	}
	err := tc.Handshake()
	c.shaken = err == nil
	if err == nil {
		return nil
	}
	if rec, ok := errors.AsType[tls.RecordHeaderError](err); ok && rec.Conn != nil && looksLikeHTTP(rec.RecordHeader) {
		const hint = "HTTP/1.0 400 Bad Request\r\nConnection: close\r\n\r\nThis port speaks HTTPS.\n"
		_, _ = io.WriteString(rec.Conn, hint)
	}
	c.onHandshake(c, err)
	return io.EOF // net/http has nothing to answer
}

func looksLikeHTTP(head [5]byte) bool {
	switch string(head[:]) {
	case "GET /", "HEAD ", "POST ", "PUT /", "OPTIO":
		return true
	}
	return false
}

func (c *conn) Write(p []byte) (int, error) {
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

type connKey struct{}

func withConn(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, c)
}

// connOf returns nil for a request that did not come through Serve.
func connOf(r *http.Request) *conn {
	c, _ := r.Context().Value(connKey{}).(*conn)
	return c
}
