package receiver

import (
	"crypto/tls"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// listener hands out at most maxConns connections at a time; further clients
// wait in the kernel's queue, where they cost us nothing.
type listener struct {
	net.Listener
	tls    *tls.Config // nil: plain text
	slots  chan struct{}
	closed chan struct{}
	once   sync.Once
	open   *atomic.Int64
	grpc   bool // it is the port of OTLP/gRPC

	writeTimeout time.Duration
	maxLine      int
	onHandshake  func(*conn, error)
	onClose      func(*conn)
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case l.slots <- struct{}{}:
	case <-l.closed:
		return nil, net.ErrClosed
	}
	raw, err := l.Listener.Accept()
	if err != nil {
		<-l.slots
		return nil, err
	}
	l.open.Add(1)
	c := &conn{Conn: raw, raw: raw, writeTimeout: l.writeTimeout, grpc: l.grpc, onHandshake: l.onHandshake, onClose: l.release}
	c.framing.maxLine = l.maxLine
	if l.tls != nil {
		c.socket.Conn = raw
		c.Conn = tls.Server(&c.socket, l.tls)
	}
	return c, nil
}

func (l *listener) release(c *conn) {
	<-l.slots
	l.open.Add(-1)
	l.onClose(c)
}

func (l *listener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}
