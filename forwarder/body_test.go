package forwarder

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"testing"
	"time"
)

// TestPayloadIsNotReadAfterPost has a server answer before it has read the
// request. What it reads later is still of that request, although the buffer
// went to another one as soon as post had returned. The race detector sees the
// fault each time, the bytes tell it when the machine is quick.
func TestPayloadIsNotReadAfterPost(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	payload := bytes.Repeat([]byte{1}, 16<<20) // more than the kernel's buffers hold
	reused, seen := make(chan struct{}), make(chan []byte, 1)
	go func() {
		conn, err := l.Accept()
		if err != nil {
			seen <- nil
			return
		}
		defer conn.Close()
		r := bufio.NewReaderSize(conn, 4<<10)
		if _, err := http.ReadRequest(r); err == nil {
			_, _ = io.WriteString(conn, "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\n\r\nbusy")
		}
		<-reused
		all, _ := io.ReadAll(r) // up to where the client closed it
		seen <- all
	}()
	err = newClient(time.Minute, 1).post(t.Context(), "http://"+l.Addr().String(), "a", payload)
	if err == nil {
		t.Error("503 is not an error")
	}
	for i := range payload {
		payload[i] = 2
	}
	close(reused)
	all := <-seen
	if len(all) == 0 {
		t.Error("the server read nothing of the body")
	}
	if n := bytes.Count(all, []byte{2}); n != 0 {
		t.Errorf("%d of %d bytes are of the request after it", n, len(all))
	}
}
