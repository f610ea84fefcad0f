package store

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"appliance/internal/durable/crashfs"
)

// All calls together stay within the limit, and come near to it.
func TestLimitIsShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const perSecond, size = 1 << 20, 10 << 20
		s := newDirStore(crashfs.New(), "/store", Options{BytesPerSecond: perSecond})
		began := time.Now()
		var wg sync.WaitGroup
		for _, name := range []string{"a", "b"} {
			wg.Go(func() {
				if _, err := s.Put(t.Context(), name, bytes.NewReader(make([]byte, size)), size); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		within(t, time.Since(began), 2*size/perSecond)

		o, err := s.Open(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		began = time.Now()
		if _, err := o.WriteTo(io.Discard); err != nil {
			t.Fatal(err)
		}
		within(t, time.Since(began), size/perSecond)

		began = time.Now()
		if _, err := o.ReadAt(make([]byte, size), 0); err != nil || time.Since(began) > 0 {
			t.Errorf("a query waited %s: %v", time.Since(began), err)
		}
	})
}

func within(t *testing.T, took time.Duration, seconds float64) {
	t.Helper()
	if got := took.Seconds(); got < 0.9*seconds || got > 1.1*seconds {
		t.Errorf("took %.2f s, not %.0f", got, seconds)
	}
}

func TestLimitEndsWithContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newDirStore(crashfs.New(), "/store", Options{BytesPerSecond: 1})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		began := time.Now()
		if _, err := s.Put(ctx, "a", bytes.NewReader(make([]byte, 1<<20)), 1<<20); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		if time.Since(began) > time.Minute {
			t.Errorf("went on for %s", time.Since(began))
		}
		if _, err := s.Open(t.Context(), "a"); !errors.Is(err, ErrNotExist) {
			t.Errorf("got %v", err)
		}
	})
}

func TestLimitedReaderGivesEverything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		want := bytes.Repeat([]byte("0123456789"), 1000)
		got, err := io.ReadAll(newLimit(1000).reader(t.Context(), bytes.NewReader(want)))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%d of %d bytes, %v", len(got), len(want), err)
		}
	})
}
