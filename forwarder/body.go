package forwarder

import (
	"context"
	"io"
	"net"
	"sync"
	"time"
)

// body is the payloads of a request, one after the other. They are sent from where they are: net/http would copy
// them through buffers that it makes anew for each request.
type body struct{ net.Buffers }

func newBody(payloads [][]byte) *body {
	return &body{append(net.Buffers(nil), payloads...)} // reading consumes the slice of slices
}

// Close does nothing; the payloads are their senders'.
func (*body) Close() error { return nil }

// bodyConn is a connection that takes a body in one system call.
type bodyConn struct{ net.Conn }

var copyBuffers = sync.Pool{New: func() any { return new([32 << 10]byte) }}

// ReadFrom is what net/http calls for the part of a request's body that its own buffer has no room for.
func (c bodyConn) ReadFrom(r io.Reader) (int64, error) {
	if limited, ok := r.(*io.LimitedReader); ok {
		if b, ok := limited.R.(*body); ok {
			n, err := b.WriteTo(c.Conn) // Content-Length is the sum of the payloads, so the limit is never less
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
