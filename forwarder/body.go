package forwarder

import (
	"bytes"
	"context"
	"io"
	"net"
	"sync"
	"time"
)

// body is the payload of a request. It is sent from where it is: net/http would
// copy it through buffers that it makes for each request.
type body struct {
	bytes.Reader
	left func() // the payload is not read any more
}

// bodyOf makes a body for one try of a request. net/http may read it for some
// time after the answer came, and closes it when it does not any more.
func bodyOf(payload []byte, reading *sync.WaitGroup) *body {
	reading.Add(1)
	return &body{*bytes.NewReader(payload), sync.OnceFunc(reading.Done)}
}

func (b *body) Close() error {
	b.left()
	return nil
}

// bodyConn is a connection that takes a body in one system call.
type bodyConn struct{ net.Conn }

var copyBuffers = sync.Pool{New: func() any { return new([32 << 10]byte) }}

// ReadFrom is what net/http calls for the part of a request's body that its own
// buffer has no room for.
func (c bodyConn) ReadFrom(r io.Reader) (int64, error) {
	if limited, ok := r.(*io.LimitedReader); ok {
		if b, ok := limited.R.(*body); ok {
			// Content-Length is that of the payload, so the limit is never less
			n, err := b.WriteTo(c.Conn)
			limited.N -= n
			return n, err
		}
	}
	buf := copyBuffers.Get().(*[32 << 10]byte)
	defer copyBuffers.Put(buf)
	return io.CopyBuffer(struct{ io.Writer }{c.Conn}, r, buf[:])
}

func dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 15 * time.Second}).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return bodyConn{conn}, nil
}
