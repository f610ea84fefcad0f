package spool

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"appliance/internal/durable/crashfs"
)

func TestAppendReadRelease(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{SegmentBytes: 8 << 10})
	at := appendNumbered(t, s, upTo(100)...)
	if got := mustPass(t, s); !slices.Equal(got, upTo(100)) {
		t.Fatalf("read %v", got)
	}
	if st := s.Status(); len(st.Segments) < 3 || st.Pending.Records != 100 || !st.Oldest.Equal(numbered(0).Time) {
		t.Fatalf("status %+v", st)
	}
	var rest []int
	for n, pos := range at {
		if n < 50 || n%2 == 0 {
			must(t, s.Release(pos))
			must(t, s.Release(pos)) // again is no error
		}
	}
	for n := 51; n < 100; n += 2 {
		rest = append(rest, n)
	}
	if got := mustPass(t, s); !slices.Equal(got, rest) {
		t.Fatalf("after releasing: read %v", got)
	}
	must(t, s.Close())

	s = open(t, dir, Options{SegmentBytes: 8 << 10})
	got := mustPass(t, s)
	for _, n := range rest {
		if !slices.Contains(got, n) {
			t.Errorf("record %d is gone after reopening", n)
		}
	}
	if slices.Contains(got, 0) {
		t.Error("a clean close forgot a release")
	}
	if !slices.Equal(mustPass(t, s), got) {
		t.Error("a second pass differs")
	}
}

func TestEverythingReleasedLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{SegmentBytes: 8 << 10})
	for _, pos := range appendNumbered(t, s, upTo(60)...) {
		must(t, s.Release(pos))
	}
	must(t, s.Close())
	st := s.Status()
	if len(st.Segments) != 0 || st.Bytes != 0 || st.Pending.Records != 0 || st.Released.Records != 60 {
		t.Errorf("status %+v", st)
	}
	s = open(t, dir, Options{})
	if st := s.Status(); st.Released.Records != 60 || st.Released.Tenants["tenant-1"].Records != 20 || st.Lost.Records != 0 {
		t.Errorf("after reopening: %+v", st)
	}
	pos, err := s.Append(numbered(1))
	must(t, err)
	if _, err := s.ReadAt(pos, nil); err != nil {
		t.Error(err)
	}
}

func TestNextWaitsForMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := Open("/spool", Options{FS: crashfs.New(), SegmentBytes: 8 << 10})
		must(t, err)
		r := s.NewReader()
		defer r.Close()
		read := make(chan int)
		go func() {
			defer close(read)
			for {
				e, err := r.Next(ctx, nil)
				if errors.Is(err, ErrClosed) {
					return
				}
				n, err := number(e.Record)
				if err != nil {
					t.Error(err)
				}
				read <- n
			}
		}()
		for n := range 3 {
			synctest.Wait() // the reader waits
			appendNumbered(t, s, n)
			if got := <-read; got != n {
				t.Errorf("read %d, want %d", got, n)
			}
		}
		synctest.Wait()
		must(t, s.Close())
		if _, more := <-read; more {
			t.Error("read on after Close")
		}
		if _, err := s.Append(numbered(1)); !errors.Is(err, ErrClosed) {
			t.Errorf("append after Close: %v", err)
		}
	})
}

func TestLoneAppenderNeverWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := Open("/spool", Options{FS: crashfs.New(), SegmentBytes: 8 << 10, maxGroupWait: time.Hour})
		must(t, err)
		defer s.Close()
		start := time.Now()
		appendNumbered(t, s, upTo(20)...)
		if waited := time.Since(start); waited != 0 {
			t.Errorf("waited %s", waited)
		}
	})
}

func TestLimits(t *testing.T) {
	s := open(t, t.TempDir(), Options{SegmentBytes: 8 << 10})
	for name, rec := range map[string]Record{
		"payload": {Payload: make([]byte, MaxPayload+1)},
		"tenant":  {Tenant: strings.Repeat("x", MaxTenant+1)},
		"spans":   {Spans: -1},
	} {
		if _, err := s.Append(rec); !errors.Is(err, ErrTooLarge) {
			t.Errorf("%s: %v", name, err)
		}
	}
	largest := Record{Tenant: strings.Repeat("x", MaxTenant), Spans: 1<<32 - 1, Payload: bytes.Repeat([]byte("0123456789abcdef"), MaxPayload/16)}
	pos, err := s.Append(largest)
	must(t, err)
	empty, err := s.Append(Record{})
	must(t, err)
	got, err := s.ReadAt(pos, nil)
	must(t, err)
	if got.Tenant != largest.Tenant || got.Spans != largest.Spans || !bytes.Equal(got.Payload, largest.Payload) {
		t.Error("the largest record is not as it was")
	}
	got, err = s.ReadAt(empty, nil)
	must(t, err)
	if got.Tenant != "" || got.Spans != 0 || !got.Time.IsZero() || len(got.Payload) != 0 {
		t.Errorf("the empty record became %+v", got)
	}
	for _, wrong := range []Position{{}, {Segment: 99, Offset: 64}, {Segment: pos.Segment, Offset: 1 << 40}} {
		if _, err := s.ReadAt(wrong, nil); !errors.Is(err, ErrGone) {
			t.Errorf("%s: %v", wrong, err)
		}
	}
	if _, err := s.ReadAt(Position{pos.Segment, pos.Offset + 1}, nil); !errors.Is(err, ErrDamaged) {
		t.Errorf("beside a record: %v", err)
	}
}

func TestFull(t *testing.T) {
	const maxBytes = 64 << 10
	s := open(t, "/spool", Options{FS: crashfs.New(), MaxBytes: maxBytes, SegmentBytes: 16 << 10, CheckpointEvery: -1})
	var kept []int
	for n := range 1000 {
		_, err := s.Append(numbered(n))
		if errors.Is(err, ErrFull) {
			break
		}
		must(t, err)
		kept = append(kept, n)
	}
	// Small ones may still fit where a large one does not.
	for range 1000 {
		if _, err := s.Append(Record{Tenant: "tenant-0", Payload: []byte("small")}); err != nil {
			break
		}
	}
	st := s.Status()
	if st.Bytes > maxBytes || st.Bytes < maxBytes*3/4 || len(kept) < 50 {
		t.Errorf("%d records in %d bytes of %d", len(kept), st.Bytes, maxBytes)
	}
	segments := len(st.Segments)
	if _, err := s.Append(Record{Payload: make([]byte, maxBytes)}); !errors.Is(err, ErrTooLarge) {
		t.Errorf("larger than the whole spool: %v", err)
	}
	for range 20 {
		if _, err := s.Append(numbered(7)); !errors.Is(err, ErrFull) {
			t.Fatalf("got %v", err)
		}
	}
	if st := s.Status(); len(st.Segments) != segments {
		t.Errorf("refusing made segments: %d, then %d", segments, len(st.Segments))
	}
	// Releasing the first segment makes room.
	for i, err := range s.Pending(Position{}) {
		must(t, err)
		if i.Segment == 1 {
			must(t, s.Release(i.Position))
		}
	}
	must(t, s.appendAll(10))
}

func (s *Spool) appendAll(count int) error {
	for n := range count {
		if _, err := s.Append(numbered(n)); err != nil {
			return err
		}
	}
	return nil
}

// A full spool whose active segment is all released must go on.
func TestFullOfReleased(t *testing.T) {
	s := open(t, "/spool", Options{FS: crashfs.New(), MaxBytes: 16 << 10, SegmentBytes: 16 << 10})
	for range 200 {
		pos, err := s.Append(Record{Payload: make([]byte, 2000)})
		must(t, err)
		must(t, s.Release(pos))
	}
}

func TestPendingFrom(t *testing.T) {
	s := open(t, t.TempDir(), Options{SegmentBytes: 8 << 10})
	at := appendNumbered(t, s, upTo(80)...)
	must(t, s.Release(at[41]))
	n := 40
	for i, err := range s.Pending(at[40]) {
		must(t, err)
		want := numbered(n)
		if i.Position != at[n] || i.Tenant != want.Tenant || i.Spans != want.Spans || !i.Time.Equal(want.Time) || i.Bytes != len(want.Payload) {
			t.Fatalf("got %+v for record %d", i, n)
		}
		if n++; n == 41 {
			n++
		}
	}
	if n != 80 {
		t.Errorf("ended before record %d", n)
	}
}

// A Reader goes on in a segment that is deleted under it.
func TestDeletedWhileRead(t *testing.T) {
	s := open(t, t.TempDir(), Options{SegmentBytes: 8 << 10, CheckpointEvery: -1})
	at := appendNumbered(t, s, upTo(60)...)
	r := s.NewReader()
	defer r.Close()
	_, err := r.Next(ctx, nil)
	must(t, err)
	for n := range 50 {
		must(t, s.Release(at[n]))
	}
	for n := 50; n < 60; n++ {
		e, err := r.Next(ctx, nil)
		must(t, err)
		if got, err := number(e.Record); err != nil || got != n {
			t.Fatalf("read %d, %v, want %d", got, err, n)
		}
	}
	if _, err := s.ReadAt(at[0], nil); !errors.Is(err, ErrGone) {
		t.Errorf("the first segment is still there: %v", err)
	}
}

// A record above the limit stays where it is, also behind the end of a segment.
func TestNextUpTo(t *testing.T) {
	s := open(t, t.TempDir(), Options{SegmentBytes: 8 << 10})
	appendNumbered(t, s, upTo(60)...)
	r := s.NewReader()
	defer r.Close()
	for n := range 60 {
		size := len(numbered(n).Payload)
		for range 2 {
			if _, err := r.NextUpTo(ctx, nil, size-1); !errors.Is(err, ErrOverLimit) {
				t.Fatalf("record %d of %d bytes, limit %d: %v", n, size, size-1, err)
			}
		}
		e, err := r.NextUpTo(ctx, nil, size)
		must(t, err)
		if got, err := number(e.Record); err != nil || got != n {
			t.Fatalf("read %d, %v, want %d", got, err, n)
		}
	}
	if _, err := r.NextUpTo(ended, nil, 0); !errors.Is(err, context.Canceled) {
		t.Errorf("at the end: %v", err)
	}
}

// TestEnd is behind all that is acknowledged, in one segment after the other.
func TestEnd(t *testing.T) {
	s := open(t, t.TempDir(), Options{SegmentBytes: 8 << 10})
	if end := s.End(); end != (Position{}) {
		t.Errorf("the end of an empty spool is %v", end)
	}
	for n := range 80 {
		before := s.End()
		at := appendNumbered(t, s, n)[n]
		if after := s.End(); at.Compare(before) < 0 || at.Compare(after) >= 0 {
			t.Fatalf("record %d is at %v; the end was %v before, and is %v", n, at, before, after)
		}
	}
	if s.End().Segment < 2 {
		t.Error("all of it is in one segment")
	}
}
