package access

import (
	"bytes"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// Files is a value made from files, made again when their bytes change. They
// are looked at when the value is asked for, at most once an interval, so there
// is no goroutine and an idle server reads nothing. While the files make no
// valid value, such as a certificate whose key is still to be written, the
// last good one stays.
type Files[T any] struct {
	paths    []string
	keys     []string // that name them, for errors
	interval time.Duration
	make     func(contents [][]byte) (T, error)
	onError  func(error) // told of each new reason why the value stays old

	value    atomic.Pointer[T]
	nextLook atomic.Int64 // unix nanoseconds

	mu       sync.Mutex // held while looking
	contents [][]byte
	lastErr  string
}

// load makes the first value. It must be called before Get.
func (w *Files[T]) load() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.nextLook.Store(time.Now().Add(w.interval).UnixNano())
	return w.look()
}

// Get is the value now. It does not wait for another caller that is reading the
// files.
func (w *Files[T]) Get() T {
	if now := time.Now(); now.UnixNano() >= w.nextLook.Load() && w.mu.TryLock() {
		w.nextLook.Store(now.Add(w.interval).UnixNano())
		w.refresh()
		w.mu.Unlock()
	}
	return *w.value.Load()
}

func (w *Files[T]) refresh() {
	err := w.look()
	if err == nil {
		w.lastErr = ""
		return
	}
	if text := err.Error(); text != w.lastErr {
		w.lastErr = text
		w.onError(err)
	}
}

func (w *Files[T]) look() error {
	contents, errs := make([][]byte, len(w.paths)), []error(nil)
	for i, path := range w.paths {
		var err error
		if contents[i], err = readSecret(path); err != nil {
			errs = append(errs, &FileError{w.keys[i], path, err})
		}
	}
	if len(errs) > 0 {
		return errors.Join(errs...)
	}
	same := func(a, b [][]byte) bool {
		for i := range a {
			if !bytes.Equal(a[i], b[i]) {
				return false
			}
		}
		return true
	}
	if w.value.Load() != nil && same(contents, w.contents) {
		return nil
	}
	v, err := w.make(contents)
	if err != nil {
		return err
	}
	w.value.Store(&v)
	w.contents = contents
	return nil
}
