package receiver

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

// A client that looks for the answer only after it has sent all of a large body gets it.
func TestAnswerToALargeRefusedBodyIsNotLost(t *testing.T) {
	const size = 64 << 20
	r := start(t, Config{})
	for _, tt := range []struct{ name, path, coding string }{
		{"too large", "/v1/traces", fmt.Sprintf("Content-Length: %d", size)},
		{"too large in chunks", "/v1/traces", "Transfer-Encoding: chunked"},
		{"wrong path", "/v1/metrics", fmt.Sprintf("Content-Length: %d", size)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := dial(t, r)
			send(t, c, "POST "+tt.path+" HTTP/1.1\r\nHost: x\r\nContent-Type: "+protobufType+"\r\n"+tt.coding+"\r\n\r\n")
			piece := strings.Repeat("x", 1<<20)
			if strings.HasPrefix(tt.coding, "Transfer") {
				piece = fmt.Sprintf("%x\r\n%s\r\n", len(piece), piece)
			}
			for range size >> 20 {
				if _, err := io.WriteString(c, piece); err != nil {
					t.Fatalf("the body is not taken: %v", err)
				}
			}
			resp, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			if body, err := io.ReadAll(resp.Body); err != nil || len(body) == 0 || resp.StatusCode != 413 && resp.StatusCode != 404 {
				t.Errorf("answered %d %q, %v", resp.StatusCode, body, err)
			}
		})
	}
	waitFor(t, func() bool { return r.Stats().InflightBytes == 0 })
}
