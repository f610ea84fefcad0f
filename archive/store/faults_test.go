//go:build peers

package store_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"appliance/archive/store"
	"log/slog"
	"strings"
	"sync"
)

const (
	small = 10_000
	large = 3*8<<20 + 4567 // four parts
)

func put(ctx context.Context, s store.Store, name string, data []byte) error {
	_, err := s.Put(ctx, name, struct{ io.Reader }{bytes.NewReader(data)}, int64(len(data)))
	return err
}

// keeps puts an object and reads it back without any fault.
func (f *faulty) keeps(t *testing.T, name string, size int) {
	t.Helper()
	if err := put(t.Context(), f, name, random(size)); err != nil {
		t.Fatal(err)
	}
	f.set(nil)
	f.holds(t, name, random(size))
}

func (f *faulty) holds(t *testing.T, name string, want []byte) {
	t.Helper()
	got, err := store.ReadFile(t.Context(), f, name, 1<<30)
	if err != nil || !bytes.Equal(got, want) {
		t.Fatalf("%s: %d bytes for %d, equal %v, %v", name, len(got), len(want), bytes.Equal(got, want), err)
	}
}

func (f *faulty) missing(t *testing.T, name string) {
	t.Helper()
	if _, err := f.Open(t.Context(), name); !errors.Is(err, store.ErrNotExist) {
		t.Fatalf("%s: %v", name, err)
	}
}

// What passes is survived by each method.
func TestFaultsThatPass(t *testing.T) {
	f := newFaulty(t)
	for name, spoil := range map[string]fault{
		"500":                     first(3, always, answer(500, "InternalError")),
		"503 slow down":           first(3, always, answer(503, "SlowDown")),
		"429":                     first(3, always, answer(429, "TooManyRequests")),
		"garbage":                 first(2, always, answer(502, "</Error>not XML")),
		"reset":                   first(3, always, reset),
		"reset midway":            first(3, method(http.MethodPut), resetMidway),
		"a bit flipped":           first(2, method(http.MethodPut), flip),
		"an answer lost":          first(1, always, loseAnswer),
		"an answer lost, put":     first(2, method(http.MethodPut), loseAnswer),
		"an answer lost, post":    first(2, method(http.MethodPost), loseAnswer),
		"a server that hangs":     first(1, method(http.MethodPut), hang),
		"an answer cut":           first(2, method(http.MethodGet), cutAnswer),
		"no answer to completing": first(1, func(r *http.Request) bool { return r.Method == http.MethodPost && r.URL.Query().Has("uploadId") }, hang),
	} {
		t.Run(name, func(t *testing.T) {
			for what, size := range map[string]int{"small": small, "large": large} {
				object := name + "/" + what
				f.set(spoil)
				if err := put(t.Context(), f, object, random(size)); err != nil {
					t.Fatal(err)
				}
				f.holds(t, object, random(size))
				if err := put(t.Context(), f, object, random(size)); !errors.Is(err, store.ErrExists) {
					t.Errorf("put again: %v", err)
				}
				o, err := f.Open(t.Context(), object)
				if err != nil {
					t.Fatal(err)
				}
				var all bytes.Buffer
				if _, err := o.WriteTo(&all); err != nil || !bytes.Equal(all.Bytes(), random(size)) {
					t.Errorf("read all: %d bytes of %d, %v", all.Len(), size, err)
				}
			}
			var names []string
			for e, err := range f.List(t.Context(), name) {
				if err != nil {
					t.Fatal(err)
				}
				names = append(names, e.Name)
			}
			if !slices.Equal(names, []string{"large", "small"}) {
				t.Errorf("listed %q", names)
			}
			if err := f.Replace(t.Context(), name+"/small", []byte("new")); err != nil {
				t.Fatal(err)
			}
			f.holds(t, name+"/small", []byte("new"))
			if err := f.Delete(t.Context(), name+"/small"); err != nil {
				t.Fatal(err)
			}
			f.set(nil)
			f.missing(t, name+"/small")
		})
	}
}

// What does not pass is an error in a bounded number of attempts; nothing is visible.
func TestFaultsThatStay(t *testing.T) {
	f := newFaulty(t)
	for name, row := range map[string]struct {
		spoil fault
		want  error // nil: any
		tries int64 // 0: any
	}{
		"500":            {answer(500, "InternalError"), nil, 6},
		"full":           {answer(507, "XMinioStorageFull"), store.ErrFull, 1},
		"denied":         {answer(403, "AccessDenied"), store.ErrDenied, 1},
		"expired":        {answer(400, "ExpiredToken"), store.ErrDenied, 1},
		"reset":          {resetMidway, nil, 6},
		"a bit flipped":  {flip, nil, 6},
		"another region": {answer(400, "AuthorizationHeaderMalformed"), nil, 1},
	} {
		for what, size := range map[string]int{"small": small, "large": large} {
			t.Run(name+"/"+what, func(t *testing.T) {
				var tries atomic.Int64
				f.set(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
					if r.Method == http.MethodPut {
						tries.Add(1)
						row.spoil(w, r, next)
						return
					}
					next.ServeHTTP(w, r)
				})
				err := put(t.Context(), f, name+what, random(size))
				f.set(nil)
				if err == nil || row.want != nil && !errors.Is(err, row.want) {
					t.Errorf("want %v, got %v", row.want, err)
				}
				if row.tries != 0 && tries.Load() != row.tries {
					t.Errorf("%d attempts, want %d: %v", tries.Load(), row.tries, err)
				}
				f.missing(t, name+what)
				f.keeps(t, name+what, size)
			})
		}
	}
}

// An upload that broke off goes on where it was: after an error in the same
// process, and in the next one.
func TestInterruptedUploadIsResumed(t *testing.T) {
	f := newFaulty(t)
	parts := func(from int64) fault {
		var n atomic.Int64
		return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			if r.Method == http.MethodPut && n.Add(1) >= from {
				answer(500, "InternalError")(w, r, next)
				return
			}
			next.ServeHTTP(w, r)
		}
	}
	for name, next := range map[string]func() store.Store{
		"same":  func() store.Store { return f },
		"other": func() store.Store { return f.again(t) },
	} {
		f.set(parts(3))
		if err := put(t.Context(), f, name, random(large)); err == nil {
			t.Fatal("the fault had no effect")
		}
		f.set(nil)
		f.missing(t, name)
		f.sent.Store(0)
		if err := put(t.Context(), next(), name, random(large)); err != nil {
			t.Fatal(err)
		}
		f.holds(t, name, random(large))
		if sent := f.sent.Load(); sent > large-2*8<<20 {
			t.Errorf("%s: %d bytes were sent again of %d", name, sent, large)
		}

		// Other bytes than those of the upload that broke off do not mix with them.
		f.set(parts(3))
		if err := put(t.Context(), f, name+"-changed", random(large)); err == nil {
			t.Fatal("the fault had no effect")
		}
		f.set(nil)
		changed := random(large + 1)
		if err := put(t.Context(), next(), name+"-changed", changed); err != nil {
			t.Fatal(err)
		}
		f.holds(t, name+"-changed", changed)
	}
	f.set(parts(2))
	if err := put(t.Context(), f, "left", random(large)); err == nil {
		t.Fatal("the fault had no effect")
	}
	f.set(nil)
	for _, want := range []int{1, 0} {
		if n, err := f.Sweep(t.Context(), -time.Hour); n != want || err != nil {
			t.Errorf("swept %d of %d, %v", n, want, err)
		}
	}
}

// A server may have forgotten the upload when it is asked for the second time to
// complete it.
func TestAnswerToCompletingIsLost(t *testing.T) {
	f := newFaulty(t)
	var completions atomic.Int64
	f.set(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		switch {
		case r.Method != http.MethodPost || !r.URL.Query().Has("uploadId"):
			next.ServeHTTP(w, r)
		case completions.Add(1) == 1:
			loseAnswer(w, r, next)
		default:
			answer(404, "NoSuchUpload")(w, r, next)
		}
	})
	f.keeps(t, "a", large)
	if completions.Load() != 2 {
		t.Errorf("%d requests to complete", completions.Load())
	}
}

// A server that knows no conditional writes is one of those we live with.
func TestServerWithoutConditions(t *testing.T) {
	f := newFaulty(t)
	f.set(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if r.Header.Get("If-None-Match") != "" {
			answer(501, "NotImplemented")(w, r, next)
			return
		}
		next.ServeHTTP(w, r)
	})
	for name, size := range map[string]int{"small": small, "large": large} {
		if err := put(t.Context(), f, name, random(size)); err != nil {
			t.Fatal(err)
		}
		if err := put(t.Context(), f, name, random(size+1)); !errors.Is(err, store.ErrExists) {
			t.Errorf("put again: %v", err)
		}
		f.holds(t, name, random(size))
	}
}

// A server that takes the condition and ignores it is told from one that knows
// it, by the first object.
func TestServerThatIgnoresConditions(t *testing.T) {
	f := newFaulty(t)
	var puts atomic.Int64
	var there sync.Map
	f.set(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if r.Method == http.MethodPut {
			puts.Add(1)
			if _, again := there.LoadOrStore(r.URL.Path, true); again {
				_, _ = io.Copy(io.Discard, r.Body)
				w.Header().Set("ETag", `"the same"`)
				return
			}
		}
		next.ServeHTTP(w, r)
	})
	var logs bytes.Buffer
	s, err := store.Open(t.Context(), f.proxied, store.Options{Logger: slog.New(slog.NewTextHandler(&logs, nil))})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := put(t.Context(), s, "first", random(small)); err != nil {
		t.Fatal(err)
	}
	if n := puts.Load(); n != 2 {
		t.Errorf("%d requests to create the first object, want a second to see whether it is refused", n)
	}
	f.holds(t, "first", random(small))
	if err := put(t.Context(), s, "second", random(small)); err != nil {
		t.Fatal(err)
	}
	if n := puts.Load(); n != 3 {
		t.Errorf("%d requests to create two objects, want 3", n)
	}
	if err := put(t.Context(), s, "second", random(small+1)); !errors.Is(err, store.ErrExists) {
		t.Errorf("put again: %v", err)
	}
	if n := strings.Count(logs.String(), "let only one archiver write"); n != 1 {
		t.Errorf("said %d times, want once: %s", n, &logs)
	}
}

// A server that ignores ranges must not have us take other bytes for those.
func TestServerWithoutRanges(t *testing.T) {
	f := newFaulty(t)
	f.keeps(t, "a", large)
	f.set(noRange)
	o, err := f.Open(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	p := make([]byte, 100)
	if n, err := o.ReadAt(p, 1<<20); err == nil {
		t.Errorf("read %d bytes from a server that ignores ranges", n)
	}
}

func TestCancelWhileServerHangs(t *testing.T) {
	f := newFaulty(t)
	f.keeps(t, "there", small)
	reached := make(chan struct{}, 100)
	f.set(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		reached <- struct{}{}
		hang(w, r, next)
	})
	store.Hurry(f.Store, time.Hour)
	for name, call := range map[string]func(context.Context) error{
		"put":     func(ctx context.Context) error { return put(ctx, f, "a", random(small)) },
		"replace": func(ctx context.Context) error { return f.Replace(ctx, "a", nil) },
		"open":    func(ctx context.Context) error { _, err := f.Open(ctx, "there"); return err },
		"delete":  func(ctx context.Context) error { return f.Delete(ctx, "there") },
		"list": func(ctx context.Context) error {
			for _, err := range f.List(ctx, ".") {
				return err
			}
			return nil
		},
		"sweep": func(ctx context.Context) error { _, err := f.Sweep(ctx, 0); return err },
	} {
		ctx, cancel := context.WithCancel(t.Context())
		result := make(chan error, 1)
		go func() { result <- call(ctx) }()
		<-reached
		cancel()
		select {
		case err := <-result:
			if !errors.Is(err, context.Canceled) {
				t.Errorf("%s: %v", name, err)
			}
		case <-time.After(10 * time.Second):
			t.Errorf("%s goes on after it was cancelled", name)
		}
	}
}

// A list that stands still in the middle is given up, and its connections are.
func TestListThatStandsStill(t *testing.T) {
	f := newFaulty(t)
	f.keeps(t, "a", small)
	store.Hurry(f.Store, 100*time.Millisecond)
	var waiting atomic.Int64
	f.set(stallAnswer(&waiting))
	for _, err := range f.List(t.Context(), ".") {
		if err == nil || !strings.Contains(err.Error(), "no progress") {
			t.Errorf("listed, %v", err)
		}
	}
	for deadline := time.Now().Add(time.Minute); waiting.Load() > 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d requests are still waited for", waiting.Load())
		}
	}
}
