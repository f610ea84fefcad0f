//go:build peers

package store_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"appliance/archive/store"
	"appliance/archive/store/storetest"
)

// A fault spoils a request on its way to the real server; next forwards it.
type fault func(w http.ResponseWriter, r *http.Request, next http.Handler)

// A faulty is a real S3 server behind a proxy that spoils what it is told to.
type faulty struct {
	store.Store
	gateway *storetest.Gateway
	bucket  string
	proxied string // the URL by way of the proxy
	fault   atomic.Pointer[fault]
	sent    atomic.Int64 // bytes of the bodies of PUT that reached the proxy
}

const testStall = 500 * time.Millisecond

func newFaulty(t *testing.T) *faulty {
	t.Helper()
	f := &faulty{gateway: storetest.StartGateway(t), bucket: "faulty"}
	f.gateway.Bucket(t, f.bucket)
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(&url.URL{Scheme: "http", Host: f.gateway.Addr})
			r.Out.Host = r.In.Host // it is signed
		},
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut {
			r.Body = countingBody{r.Body, &f.sent}
		}
		if spoil := f.fault.Load(); spoil != nil {
			(*spoil)(w, r, proxy)
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	f.proxied = f.gateway.URL(f.bucket, strings.TrimPrefix(server.URL, "http://"))
	f.Store = f.again(t)
	return f
}

// again is another store on the same bucket, as after a restart.
func (f *faulty) again(t *testing.T) store.Store {
	t.Helper()
	s := openURL(t, f.proxied)
	store.Hurry(s, testStall)
	return s
}

func (f *faulty) set(spoil fault) {
	if spoil == nil {
		f.fault.Store(nil)
		return
	}
	f.fault.Store(&spoil)
}

// first applies a fault to the first n requests that match, for each method and
// path anew.
func first(n int, match func(*http.Request) bool, spoil fault) fault {
	var mu sync.Mutex
	seen := map[string]int{}
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		mu.Lock()
		key := r.Method + r.URL.Path + r.URL.RawQuery
		hit := match(r) && seen[key] < n
		if hit {
			seen[key]++
		}
		mu.Unlock()
		if hit {
			spoil(w, r, next)
			return
		}
		next.ServeHTTP(w, r)
	}
}

func always(*http.Request) bool { return true }

func method(m string) func(*http.Request) bool {
	return func(r *http.Request) bool { return r.Method == m }
}

// answer is an error of S3.
func answer(status int, code string) fault {
	return func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(status)
		if r.Method != http.MethodHead {
			_, _ = io.WriteString(w, "<Error><Code>"+code+"</Code><Message>made by the test</Message></Error>")
		}
	}
}

// reset breaks the connection after part of the request.
func reset(http.ResponseWriter, *http.Request, http.Handler) { panic(http.ErrAbortHandler) }

func resetMidway(_ http.ResponseWriter, r *http.Request, _ http.Handler) {
	_, _ = io.CopyN(io.Discard, r.Body, r.ContentLength/2)
	panic(http.ErrAbortHandler)
}

// loseAnswer lets the server do what it is asked and tells nobody.
func loseAnswer(_ http.ResponseWriter, r *http.Request, next http.Handler) {
	next.ServeHTTP(httptest.NewRecorder(), r)
	panic(http.ErrAbortHandler)
}

// flip changes a bit of the body.
func flip(w http.ResponseWriter, r *http.Request, next http.Handler) {
	r.Body = &flippingBody{ReadCloser: r.Body}
	next.ServeHTTP(w, r)
}

// hang answers when the client has gone, or the test is over.
func hang(_ http.ResponseWriter, r *http.Request, _ http.Handler) {
	_, _ = io.Copy(io.Discard, r.Body)
	<-r.Context().Done()
}

// cutAnswer sends half of what the server answers.
func cutAnswer(w http.ResponseWriter, r *http.Request, next http.Handler) {
	rec := httptest.NewRecorder()
	next.ServeHTTP(rec, r)
	for k, v := range rec.Header() {
		w.Header()[k] = v
	}
	w.WriteHeader(rec.Code)
	_, _ = w.Write(rec.Body.Bytes()[:rec.Body.Len()/2])
	panic(http.ErrAbortHandler)
}

// stallAnswer sends half of what the server answers, and the rest never. It
// counts those of its answers that somebody waits for.
func stallAnswer(waiting *atomic.Int64) fault {
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		waiting.Add(1)
		defer waiting.Add(-1)
		rec := httptest.NewRecorder()
		next.ServeHTTP(rec, r)
		w.Header().Set("Content-Length", strconv.Itoa(rec.Body.Len()))
		w.WriteHeader(rec.Code)
		_, _ = w.Write(rec.Body.Bytes()[:rec.Body.Len()/2])
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}
}

// noRange serves the whole object whatever was asked for.
func noRange(w http.ResponseWriter, r *http.Request, next http.Handler) {
	rec := httptest.NewRecorder()
	next.ServeHTTP(rec, r)
	rec.Header().Del("Content-Range")
	for k, v := range rec.Header() {
		w.Header()[k] = v
	}
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(rec.Body.Bytes())
}

type countingBody struct {
	io.ReadCloser
	n *atomic.Int64
}

func (b countingBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.n.Add(int64(n))
	return n, err
}

type flippingBody struct {
	io.ReadCloser
	done bool
}

func (b *flippingBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if n > 0 && !b.done {
		p[n/2] ^= 1
		b.done = true
	}
	return n, err
}
