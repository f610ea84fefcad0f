package store

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"appliance/internal/durable/crashfs"
)

// While one call waits for a store that does not answer, others wait no longer than they can.
func TestWaitingForALazyStoreEndsWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		answers := make(chan struct{})
		l := &lazy{url: "s3://bucket", turn: make(chan struct{}, 1), open: func(context.Context) (Store, error) {
			<-answers
			return newDirStore(crashfs.New(), "/store", Options{}), nil
		}}
		first := make(chan error)
		go func() {
			_, err := l.Open(t.Context(), "a")
			first <- err
		}()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), 25*time.Second)
		defer cancel()
		began := time.Now()
		if _, err := l.Open(ctx, "a"); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != 25*time.Second {
			t.Errorf("after %s: %v", time.Since(began), err)
		}
		close(answers)
		if err := <-first; !errors.Is(err, ErrNotExist) {
			t.Error(err)
		}
		if _, err := l.Open(t.Context(), "a"); !errors.Is(err, ErrNotExist) {
			t.Error(err)
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
}
