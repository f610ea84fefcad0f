package read

import (
	"context"
	"errors"
	"iter"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"appliance/archive/store"
)

// away is a store whose lists wait, or fail, as told.
type away struct {
	store.Store
	lists atomic.Int64
	wait  atomic.Pointer[chan struct{}] // a list waits until it is closed
	fails atomic.Bool
}

func (a *away) List(ctx context.Context, dir string) iter.Seq2[store.Entry, error] {
	a.lists.Add(1)
	if until := a.wait.Load(); until != nil {
		select {
		case <-*until:
		case <-ctx.Done():
		}
	}
	if a.fails.Load() {
		return func(yield func(store.Entry, error) bool) {
			yield(store.Entry{}, errors.New("connection refused"))
		}
	}
	return a.Store.List(ctx, dir)
}

// What is on the disk is found soon though the archive does not answer, and says so:
// questions wait a little for its list, and those that come later hardly at all.
func TestAnArchiveThatHangsHoldsUpNoQuestion(t *testing.T) {
	a := newArchive(t)
	a.write(t, tenant, makeTrace(1, "api", 0))
	synctest.Test(t, func(t *testing.T) {
		s := &away{Store: a.store}
		until := make(chan struct{})
		s.wait.Store(&until)
		r := Hurried(s)
		ask := func() (blocks int, took time.Duration, err error) {
			began := time.Now()
			found, _, err := r.Blocks(t.Context(), tenant, time.Time{})
			return len(found), time.Since(began), err
		}
		if n, took, err := ask(); n != 0 || took != firstPatience || err == nil || !strings.Contains(err.Error(), "has not answered") {
			t.Errorf("the first question got %d blocks and %v after %s", n, err, took)
		}
		if n, took, err := ask(); n != 0 || took != 0 || err == nil {
			t.Errorf("the second question got %d blocks and %v after %s", n, err, took)
		}
		if s.lists.Load() != 1 {
			t.Errorf("%d lists were asked for", s.lists.Load())
		}
		close(until)
		s.wait.Store(nil)
		synctest.Wait()
		if n, _, err := ask(); n != 1 || err != nil {
			t.Errorf("after it answered there are %d blocks, %v", n, err)
		}
	})
}

func TestAnArchiveThatFailsIsNotAskedAgainAtOnce(t *testing.T) {
	a := newArchive(t)
	a.write(t, tenant, makeTrace(1, "api", 0))
	synctest.Test(t, func(t *testing.T) {
		s := &away{Store: a.store}
		s.fails.Store(true)
		r := Hurried(s)
		for range 3 {
			if _, _, err := r.Blocks(t.Context(), tenant, time.Time{}); err == nil || !strings.Contains(err.Error(), "connection refused") {
				t.Errorf("the error is %v", err)
			}
		}
		if s.lists.Load() != 1 {
			t.Errorf("%d lists were asked for", s.lists.Load())
		}
		s.fails.Store(false)
		time.Sleep(failedPause) // of the bubble's clock
		if found, _, err := r.Blocks(t.Context(), tenant, time.Time{}); len(found) != 1 || err != nil {
			t.Errorf("once it answers there are %d blocks, %v", len(found), err)
		}
	})
}

// A command that asks the archive alone waits for it.
func TestACommandWaitsForTheArchive(t *testing.T) {
	a := newArchive(t)
	a.write(t, tenant, makeTrace(1, "api", 0))
	synctest.Test(t, func(t *testing.T) {
		s := &away{Store: a.store}
		until := make(chan struct{})
		s.wait.Store(&until)
		time.AfterFunc(time.Minute, func() { close(until) })
		found, _, err := New(s).Blocks(t.Context(), tenant, time.Time{})
		if len(found) != 1 || err != nil {
			t.Errorf("it got %d blocks, %v", len(found), err)
		}
	})
}
