package harness

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// HTTP2 is a connection whose frames are written one by one, for what no client does by accident.
type HTTP2 struct {
	net.Conn
	Frames *http2.Framer
	out    *bufio.Writer
	next   uint32
}

// DialHTTP2 connects and sends the preface with settings. Nothing is read,
// unless somebody reads Frames.
func DialHTTP2(t testing.TB, address string, settings ...http2.Setting) *HTTP2 {
	t.Helper()
	c, err := net.DialTimeout("tcp", address, 10*time.Second)
	if err != nil {
		t.Fatalf("connect: %v", err)
	}
	t.Cleanup(func() { _ = c.Close() }) // the peer may have closed it
	// A small window, so that answers nobody reads are soon the server's to hold.
	if err := c.(*net.TCPConn).SetReadBuffer(4 << 10); err != nil {
		t.Fatal(err)
	}
	h := &HTTP2{Conn: c, out: bufio.NewWriterSize(c, 64<<10), next: 1}
	h.Frames = http2.NewFramer(h.out, c)
	_, _ = h.out.WriteString(http2.ClientPreface) // Flush tells
	_ = h.Frames.WriteSettings(settings...)
	return h
}

// Discard reads whatever comes, until the connection ends.
func (h *HTTP2) Discard() { go func() { _, _ = io.Copy(io.Discard, h.Conn) }() }

// Flush sends what was written. The error is that of the first write that failed.
func (h *HTTP2) Flush() error {
	if err := h.SetWriteDeadline(time.Now().Add(5 * time.Second)); err != nil {
		return err
	}
	return h.out.Flush()
}

// Export begins a call, with further header fields, and returns its stream.
func (h *HTTP2) Export(more ...hpack.HeaderField) uint32 {
	stream := h.next
	h.next += 2
	_ = h.Frames.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: exportHeader(more...), EndHeaders: true})
	return stream
}

func exportHeader(more ...hpack.HeaderField) []byte {
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	encoder.SetMaxDynamicTableSize(0)
	for _, f := range append([]hpack.HeaderField{
		{Name: ":method", Value: "POST"}, {Name: ":scheme", Value: "http"}, {Name: ":authority", Value: "appliance"},
		{Name: ":path", Value: "/opentelemetry.proto.collector.trace.v1.TraceService/Export"},
		{Name: "content-type", Value: "application/grpc"}, {Name: "te", Value: "trailers"},
	}, more...) {
		_ = encoder.WriteField(f) // to a buffer
	}
	return block.Bytes()
}

// ManyFields are so many header fields of three bytes each.
func ManyFields(n int) []hpack.HeaderField {
	fields := make([]hpack.HeaderField, n)
	for i := range fields {
		fields[i] = hpack.HeaderField{Name: fmt.Sprintf("%02x", i%256), Value: "x"}
	}
	return fields
}

// GRPCFrame is a message with its prefix, of which the length may be a lie.
func GRPCFrame(flag byte, length uint32, message []byte) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{flag}, length), message...)
}

// Data sends a part of a call, in frames of the size that every server takes.
func (h *HTTP2) Data(stream uint32, end bool, data []byte) {
	for {
		n := min(len(data), 16<<10)
		_ = h.Frames.WriteData(stream, end && n == len(data), data[:n])
		if data = data[n:]; len(data) == 0 {
			return
		}
	}
}
