//go:build peers

package store_test

import (
	"bytes"
	"errors"
	"net/http"
	"strings"
	"testing"

	"appliance/archive/store"
	"appliance/archive/store/storetest"
)

// rewriting answers with other ETags than the server's, as a proxy does. A
// request for a version is compared with what the client was told, where the
// proxy knows it, strongly: a weak tag matches nothing.
func rewriting(change func(etag, method string) string, matches bool) fault {
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if wanted := r.Header.Get("If-Match"); wanted != "" && (strings.Contains(wanted, "W/") || !matches) {
			answer(http.StatusPreconditionFailed, "PreconditionFailed")(w, r, next)
			return
		}
		next.ServeHTTP(&etagWriter{w, func(etag string) string { return change(etag, r.Method) }}, r)
	}
}

// etagWriter changes the ETag of an answer on its way.
type etagWriter struct {
	http.ResponseWriter
	change func(etag string) string
}

func (w *etagWriter) WriteHeader(code int) {
	if etag := w.Header().Get("ETag"); etag != "" {
		if etag = w.change(etag); etag == "" {
			w.Header().Del("ETag")
		} else {
			w.Header().Set("ETag", etag)
		}
	}
	w.ResponseWriter.WriteHeader(code)
}

func weak(etag, _ string) string   { return "W/" + etag }
func strong(etag, _ string) string { return etag }
func none(_, _ string) string      { return "" }
func weakWhenRead(etag, method string) string {
	if method == http.MethodGet {
		return "W/" + etag
	}
	return etag
}

// A store behind whatever does to ETags what it likes is written, read and
// listed as any other, and what is replaced while it is read is noticed.
func TestETags(t *testing.T) {
	f := newFaulty(t)
	for name, spoil := range map[string]fault{
		"weak":                     rewriting(weak, true),
		"weak when read":           rewriting(weakWhenRead, true),
		"strong and never matched": rewriting(strong, false),
		"none":                     rewriting(none, true),
	} {
		t.Run(name, func(t *testing.T) {
			f.set(spoil)
			defer f.set(nil)
			f := &faulty{Store: f.again(t), gateway: f.gateway, bucket: f.bucket}
			dir := strings.ReplaceAll(name, " ", "-")
			for object, size := range map[string]int{"small": small, "large": large} {
				if err := put(t.Context(), f, dir+"/"+object, random(size)); err != nil {
					t.Fatal(err)
				}
				f.holds(t, dir+"/"+object, random(size))
				o, err := f.Open(t.Context(), dir+"/"+object)
				if err != nil {
					t.Fatal(err)
				}
				var all bytes.Buffer
				if n, err := o.WriteTo(&all); err != nil || n != int64(size) || !bytes.Equal(all.Bytes(), random(size)) {
					t.Errorf("%s: %d bytes, %v", object, n, err)
				}
			}
			if name == "none" {
				return // a change within a second cannot be seen
			}
			o, err := f.Open(t.Context(), dir+"/small")
			if err != nil {
				t.Fatal(err)
			}
			if err := f.Replace(t.Context(), dir+"/small", random(small+1)); err != nil {
				t.Fatal(err)
			}
			if _, err := o.ReadAt(make([]byte, 100), 0); !errors.Is(err, store.ErrReplaced) {
				t.Errorf("what was replaced meanwhile is read: %v", err)
			}
			f.holds(t, dir+"/small", random(small+1))
		})
	}
}

// The whole suite holds where each ETag is weak.
func TestBucketWithWeakETagsConforms(t *testing.T) {
	f := newFaulty(t)
	f.set(rewriting(weak, true))
	n := 0
	storetest.Run(t, func(t *testing.T) store.Store {
		n++
		return openURL(t, strings.Replace(f.proxied, f.bucket, f.bucket+"/"+strings.Repeat("p", n), 1))
	}, 8<<20)
}

// A server that says of an object that it was replaced, each time, ends no
// reader in a loop.
func TestAlwaysReplaced(t *testing.T) {
	f := newFaulty(t)
	if err := put(t.Context(), f, "a", random(small)); err != nil {
		t.Fatal(err)
	}
	n := 0
	f.set(rewriting(func(string, string) string { n++; return strings.Repeat("e", n) }, true))
	if _, err := store.ReadFile(t.Context(), f, "a", 1<<20); !errors.Is(err, store.ErrReplaced) {
		t.Errorf("%v", err)
	}
}
