package receiver

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// seen is what somebody makes of a connection's bytes: where each request ends.
type seen struct {
	ends   []int
	unsafe int // number of the first request that is refused, 0: none
}

// followed is our view, taken byte by byte.
func followed(b []byte) (s seen) {
	f := framing{maxLine: 1 << 20}
	for i := range b {
		before := f.state
		f.follow(b[i : i+1])
		if f.state == betweenRequests && before != betweenRequests {
			s.ends = append(s.ends, i+1)
		}
	}
	s.unsafe = int(f.unsafeAt.Load())
	return s
}

// served is the view of net/http, which reads the requests and their bodies, up
// to the first one that it refuses or that has not fully arrived.
func served(b []byte) (s seen, headers [][]byte) {
	src := bytes.NewReader(b)
	br := bufio.NewReader(src)
	at := func() int { return len(b) - src.Len() - br.Buffered() }
	for {
		for { // as its server does after a POST
			c, err := br.ReadByte()
			if err != nil {
				return s, headers
			}
			if c != '\r' && c != '\n' {
				if err := br.UnreadByte(); err != nil {
					panic(err)
				}
				break
			}
		}
		start := at()
		req, err := http.ReadRequest(br)
		if err != nil || req.ProtoMajor != 1 {
			return s, headers
		}
		headers = append(headers, b[start:at()])
		if _, err := io.Copy(io.Discard, req.Body); err != nil {
			return s, headers
		}
		s.ends = append(s.ends, at())
	}
}

// ambiguous looks at a header that net/http has accepted, in the plainest way.
func ambiguous(header []byte) bool {
	lines := strings.Split(string(header), "\n")
	lengths, codings := 0, 0
	for _, line := range lines[1:] {
		name, _, _ := strings.Cut(strings.ToLower(line), ":")
		switch {
		case name == "content-length":
			lengths++
		case name == "transfer-encoding":
			codings++
		case strings.HasPrefix(line, " ") || strings.HasPrefix(line, "\t"):
			return true
		}
	}
	old := strings.HasSuffix(strings.TrimRight(lines[0], "\r"), "HTTP/1.0")
	return lengths > 1 || codings > 1 || codings == 1 && (lengths > 0 || old)
}

// FuzzFraming checks that whatever net/http answers, we have seen it begin and
// end at the same bytes, and that what is ambiguous is refused, and nothing else.
func FuzzFraming(f *testing.F) {
	body := "hello"
	for _, s := range []string{
		head("Content-Length: 5") + body,
		head("Content-Length: 5") + body + head("Transfer-Encoding: chunked") + chunked([]byte(body), 2) + head("Content-Length: 0"),
		head("Content-Length: 5", "Content-Length: 5") + body + head(),
		head("Content-Length: 5", "Transfer-Encoding: chunked") + chunked([]byte(body), 2) + head(),
		head("Transfer-Encoding: chunked") + "5;ext=1\r\nhello\r\n0\r\nTrailer: x\r\n\r\n" + head(),
		head("Transfer-Encoding: chunked") + "000005 \r\nhello\r\n0\r\n\r\n\r\n" + head(),
		"\r\n\nGET / HTTP/1.0\nHost: x\n\nPOST / HTTP/1.0\r\nContent-length:\t 5 \r\n\r\nhello" + head(),
		"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		head("X: y\r\n folded"),
		head("Content-Length : 5") + body,
		"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
		head("Content-Length: 99999999999999999999") + body,
		head("Transfer-Encoding: chunked") + "fffffffffffffffff\r\n",
	} {
		f.Add([]byte(s), uint8(0))
		f.Add([]byte(s), uint8(3))
	}
	f.Fuzz(func(t *testing.T, b []byte, piece uint8) {
		theirs, headers := served(b)
		ours := followed(b)
		inPieces := framing{maxLine: 1 << 20}
		for p := range slices.Chunk(b, int(piece)+1) {
			inPieces.follow(p)
		}
		if got := int(inPieces.unsafeAt.Load()); got != ours.unsafe {
			t.Fatalf("in pieces of %d we refuse request %d, byte by byte %d", int(piece)+1, got, ours.unsafe)
		}
		unsafe := 1 + slices.IndexFunc(headers, ambiguous)
		certain := len(theirs.ends) // requests that net/http answers without our doing
		if unsafe > 0 {
			if ours.unsafe != unsafe {
				t.Fatalf("request %d is ambiguous, we refuse %d", unsafe, ours.unsafe)
			}
			certain = min(certain, unsafe-1)
		}
		if ours.unsafe != 0 && ours.unsafe <= certain {
			t.Fatalf("we refuse request %d of %d good ones", ours.unsafe, certain)
		}
		if len(ours.ends) < certain || !slices.Equal(ours.ends[:certain], theirs.ends[:certain]) {
			t.Fatalf("requests end at %v, we say %v", theirs.ends[:certain], ours.ends)
		}
	})
}

func TestFramingInAnyPieces(t *testing.T) {
	b := []byte(head("Content-Length: 5") + "hello" + head("Transfer-Encoding: chunked") + chunked([]byte("hello"), 2) +
		head("Content-Length: 1", "Content-Length: 1") + "x")
	for n := 1; n <= len(b); n++ {
		f := framing{maxLine: 1000}
		for p := range slices.Chunk(b, n) {
			f.follow(p)
		}
		if got := f.unsafeAt.Load(); got != 3 {
			t.Fatalf("in pieces of %d request %d is refused, want 3", n, got)
		}
		if f.refuses(2) || !f.refuses(3) || !f.refuses(4) {
			t.Fatal("the third request and all after it must be refused, and none before")
		}
	}
}

func TestFramingHoldsNoMoreThanALine(t *testing.T) {
	f := framing{maxLine: 100}
	f.follow([]byte("POST / HTTP/1.1\r\n"))
	for range 1000 {
		f.follow([]byte("xxxxxxxxxx"))
	}
	if cap(f.line) > 200 || f.state != lost {
		t.Errorf("holds %d bytes of an endless line in state %d", cap(f.line), f.state)
	}
}

func BenchmarkFraming(b *testing.B) {
	body := bytes.Repeat([]byte("x"), 210_000)
	for name, request := range map[string]string{
		"length":  head(fmt.Sprintf("Content-Length: %d", len(body))) + string(body),
		"chunked": head("Transfer-Encoding: chunked") + chunked(body, 32<<10),
	} {
		b.Run(name, func(b *testing.B) {
			f := framing{maxLine: 1 << 14}
			p := []byte(request)
			b.SetBytes(int64(len(p)))
			b.ReportAllocs()
			for b.Loop() {
				for q := range slices.Chunk(p, 64<<10) {
					f.follow(q)
				}
			}
			if f.unsafeAt.Load() != 0 {
				b.Fatal("lost the framing")
			}
		})
	}
}
