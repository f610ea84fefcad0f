package torture

import (
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync"
	"testing"
	"time"

	"appliance/e2e/internal/harness"
)

// faulty stands in front of a Tempo, and does to requests what its fault says while there is one.
type faulty struct {
	addr   string
	server *http.Server
	proxy  http.Handler

	mu     sync.Mutex
	fault  http.HandlerFunc // nil: none
	healed chan struct{}    // closed when the fault ends
	hits   int              // requests that met a fault
}

func newFaulty(t testing.TB, target string) *faulty {
	t.Helper()
	f := &faulty{addr: harness.FreePort(t), proxy: httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: target})}
	f.listen(t)
	t.Cleanup(func() {
		f.heal()
		f.server.Close()
	})
	return f
}

func (f *faulty) listen(t testing.TB) {
	t.Helper()
	var l net.Listener
	// A process that another test is starting may have, until its program runs,
	// a copy of the listener that found the port free.
	harness.Eventually(t, 10*time.Second, "listen", func() (err error) {
		l, err = net.Listen("tcp", f.addr)
		return err
	})
	f.server = &http.Server{Handler: f}
	go func() { _ = f.server.Serve(l) }()
}

func (f *faulty) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	fault := f.fault
	if fault != nil {
		f.hits++
	}
	f.mu.Unlock()
	if fault == nil {
		fault = f.proxy.ServeHTTP
	}
	fault(w, r)
}

func (f *faulty) breakWith(fault http.HandlerFunc) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fault, f.healed = fault, make(chan struct{})
}

func (f *faulty) heal() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fault != nil {
		f.fault = nil
		close(f.healed)
	}
}

// met is how many requests met a fault.
func (f *faulty) met() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.hits
}

// until is closed when the present fault ends.
func (f *faulty) until() <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.healed
}

// faults are what a Tempo, or what stands before it, can do to a request.
func (f *faulty) faults() map[string]http.HandlerFunc {
	answers := func(status int, header, value string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			w.Header().Set(header, value)
			http.Error(w, "not now", status)
		}
	}
	return map[string]http.HandlerFunc{
		"429": answers(http.StatusTooManyRequests, "Retry-After", "1"),
		"500": answers(http.StatusInternalServerError, "X-Nothing", ""),
		"502": answers(http.StatusBadGateway, "X-Nothing", ""),
		"503": answers(http.StatusServiceUnavailable, "Retry-After", "1"),
		// a wrong address is our operator's mistake, not the client's
		"404": answers(http.StatusNotFound, "X-Nothing", ""),
		"401": answers(http.StatusUnauthorized, "X-Nothing", ""),
		"redirect": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/elsewhere", http.StatusPermanentRedirect)
		},
		"hanging": func(_ http.ResponseWriter, r *http.Request) { f.hang(r) },
		"hanging after taking it": func(_ http.ResponseWriter, r *http.Request) {
			f.proxy.ServeHTTP(nowhere{http.Header{}}, r)
			f.hang(r)
		},
		"reset": func(w http.ResponseWriter, _ *http.Request) { reset(w) },
		"reset after taking it": func(w http.ResponseWriter, r *http.Request) {
			f.proxy.ServeHTTP(nowhere{http.Header{}}, r)
			reset(w)
		},
		"a page": func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			w.Header().Set("Content-Type", "text/html")
			_, _ = io.WriteString(w, "<html><body>Please log in.</body></html>")
		},
		"garbage": func(w http.ResponseWriter, r *http.Request) {
			raw(w, func(c net.Conn) {
				junk := make([]byte, 4096)
				for i := range junk {
					junk[i] = byte(rand.Int())
				}
				_, _ = c.Write(junk)
			})
		},
		"endless": func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			zeros := make([]byte, 64<<10)
			for healed := f.until(); ; {
				select {
				case <-healed:
					return
				default:
				}
				if _, err := w.Write(zeros); err != nil {
					return
				}
			}
		},
		"slow": func(w http.ResponseWriter, r *http.Request) {
			select {
			case <-time.After(2 * time.Second):
			case <-f.until():
			}
			f.proxy.ServeHTTP(w, r)
		},
		"cut short": func(w http.ResponseWriter, r *http.Request) {
			raw(w, func(c net.Conn) { _, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n\n") })
		},
	}
}

// hang lets a client wait until the fault ends, or it gives up.
func (f *faulty) hang(r *http.Request) {
	select {
	case <-f.until():
	case <-r.Context().Done():
	}
	panic(http.ErrAbortHandler)
}

func reset(w http.ResponseWriter) {
	raw(w, func(c net.Conn) {
		if tcp, ok := c.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0)
		}
	})
}

// raw lets do write to the connection itself, and closes it.
func raw(w http.ResponseWriter, do func(net.Conn)) {
	c, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		panic(errors.Join(http.ErrAbortHandler, err))
	}
	defer c.Close()
	do(c)
}

// nowhere is a response that nobody gets.
type nowhere struct{ header http.Header }

func (n nowhere) Header() http.Header         { return n.header }
func (n nowhere) Write(p []byte) (int, error) { return len(p), nil }
func (n nowhere) WriteHeader(int)             {}
