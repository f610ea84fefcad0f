package receiver

import (
	"bytes"
	"math"
	"sync/atomic"
)

// framing follows the boundaries of the HTTP/1.1 requests in the bytes that
// net/http reads from one connection, to find what net/http accepts silently
// although a proxy in front may understand it otherwise (request smuggling, RFC
// 9112 section 11.2): Content-Length beside Transfer-Encoding, Content-Length
// twice, Transfer-Encoding in HTTP/1.0, folded header lines.
//
// It refuses nothing itself. It numbers the requests from 1 and remembers the
// first one that must not be answered; the handler, to which net/http gives the
// requests in the same order, looks there. Behind that request nothing is
// followed any more, since the connection ends with it.
//
// Bodies are skipped by their length, so that only header lines cost anything.
type framing struct {
	state    framingState
	maxLine  int
	begun    atomic.Int64 // requests of which at least a byte was seen
	unsafeAt atomic.Int64 // the first request that must be refused; 0 is none
	hello    atomic.Bool  // the client began with TLS, which is not read here
	left     int64        // bytes until the end of the body or the chunk
	line     []byte       // the part of a line that earlier reads brought

	// Of the header that is being read.
	lengths, codings int
	length           int64
	http10, chunked  bool
	ambiguous        bool
}

// tlsHandshake is the first byte that a client sends who speaks TLS.
const tlsHandshake = 0x16

type framingState uint8

const (
	betweenRequests framingState = iota
	requestLine
	headerLine
	fixedBody
	chunkLine
	chunkData
	chunkEnd
	trailerLine
	lost
)

// follow is given all bytes of the connection, in order, in any pieces.
func (f *framing) follow(p []byte) {
	for len(p) > 0 {
		switch f.state {
		case betweenRequests:
			// Empty lines before a request are tolerated (RFC 9112 section 2.2).
			if p[0] == '\r' || p[0] == '\n' {
				p = p[1:]
				continue
			}
			if f.begun.Add(1) == 1 && p[0] == tlsHandshake {
				f.hello.Store(true)
				f.state = lost // net/http finds no method, answers 400 and hangs up
				return
			}
			f.state = requestLine
			f.lengths, f.codings, f.length = 0, 0, 0
			f.http10, f.chunked, f.ambiguous = false, false, false
		case requestLine, headerLine, chunkLine, chunkEnd, trailerLine:
			line, rest, whole := f.cutLine(p)
			if !whole {
				return
			}
			p = rest
			f.takeLine(line)
		case fixedBody, chunkData:
			n := min(int64(len(p)), f.left)
			p = p[n:]
			if f.left -= n; f.left > 0 {
				return
			}
			if f.state == fixedBody {
				f.state = betweenRequests
			} else {
				f.state = chunkEnd
			}
		case lost:
			return
		}
	}
}

// cutLine takes a line off p, without its end. The line is valid until the
// next call. Without a line end in p the whole of p is put aside.
func (f *framing) cutLine(p []byte) (line, rest []byte, whole bool) {
	i := bytes.IndexByte(p, '\n')
	if i < 0 {
		if len(f.line)+len(p) > f.maxLine {
			f.lose() // net/http answers 431 by itself
			return nil, nil, false
		}
		f.line = append(f.line, p...)
		return nil, nil, false
	}
	line, rest = p[:i], p[i+1:]
	if len(f.line) > 0 {
		f.line = append(f.line, line...)
		line, f.line = f.line, f.line[:0]
	}
	return bytes.TrimSuffix(line, []byte{'\r'}), rest, true
}

func (f *framing) takeLine(line []byte) {
	switch f.state {
	case requestLine:
		if f.begun.Load() == 1 && string(line) == "PRI * HTTP/2.0" {
			f.begun.Store(0)
			f.state = lost // frames have no ambiguity of this kind
			return
		}
		f.http10 = bytes.HasSuffix(line, []byte(" HTTP/1.0"))
		f.state = headerLine
	case headerLine:
		if len(line) == 0 {
			f.endHeader()
			return
		}
		f.takeHeader(line)
	case chunkLine:
		n, ok := chunkSize(line)
		switch {
		case !ok:
			f.lose()
		case n == 0:
			f.state = trailerLine
		default:
			f.state, f.left = chunkData, n
		}
	case chunkEnd:
		f.state = chunkLine
		if len(line) > 0 {
			f.lose()
		}
	case trailerLine:
		if len(line) == 0 {
			f.state = betweenRequests
		} else if isBlank(line[0]) {
			f.lose()
		}
	}
}

func (f *framing) takeHeader(line []byte) {
	switch line[0] {
	case ' ', '\t':
		f.ambiguous = true
	case 'c', 'C':
		if value, ok := headerValue(line, "content-length"); ok {
			f.lengths++
			f.length, ok = decimal(value)
			f.ambiguous = f.ambiguous || !ok
		}
	case 't', 'T':
		if value, ok := headerValue(line, "transfer-encoding"); ok {
			f.codings++
			f.chunked = bytes.EqualFold(value, []byte("chunked"))
		}
	}
}

func (f *framing) endHeader() {
	if cap(f.line) > 1024 {
		f.line = nil // a long line is rare, an idle connection is not
	}
	switch {
	case f.ambiguous,
		f.lengths > 1,
		f.codings > 1,
		f.codings == 1 && (f.lengths > 0 || f.http10 || !f.chunked):
		f.lose()
	case f.chunked:
		f.state = chunkLine
	case f.length > 0:
		f.state, f.left = fixedBody, f.length
	default:
		f.state = betweenRequests
	}
}

// lose gives up the connection: from here on nobody can say for sure where a
// request begins. In a body that is the next request's problem, since net/http
// itself fails to read this one.
func (f *framing) lose() {
	at := f.begun.Load()
	if f.state != requestLine && f.state != headerLine {
		at++
	}
	f.state, f.line = lost, nil
	f.unsafeAt.Store(at)
}

// refuses says whether the n-th request of the connection, counted from 1, must
// not be answered.
func (f *framing) refuses(n int64) bool {
	at := f.unsafeAt.Load()
	return at != 0 && n >= at
}

func headerValue(line []byte, name string) ([]byte, bool) {
	if len(line) <= len(name) || line[len(name)] != ':' || !bytes.EqualFold(line[:len(name)], []byte(name)) {
		return nil, false
	}
	return bytes.Trim(line[len(name)+1:], " \t"), true
}

func decimal(b []byte) (n int64, ok bool) {
	for _, c := range b {
		if c < '0' || c > '9' || n > (math.MaxInt64-9)/10 {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	return n, len(b) > 0
}

// chunkSize reads the hexadecimal digits that a chunk line begins with.
// Whatever follows them is a chunk extension.
func chunkSize(line []byte) (n int64, ok bool) {
	for i, c := range line {
		var digit int64
		switch {
		case '0' <= c && c <= '9':
			digit = int64(c - '0')
		case 'a' <= c && c <= 'f':
			digit = int64(c-'a') + 10
		case 'A' <= c && c <= 'F':
			digit = int64(c-'A') + 10
		default:
			return n, i > 0 && (c == ';' || isBlank(c))
		}
		if n > math.MaxInt64>>4 {
			return 0, false
		}
		n = n<<4 | digit
	}
	return n, len(line) > 0
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' }
