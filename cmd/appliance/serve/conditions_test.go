package serve

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"appliance/archive"
	"appliance/forwarder"
	"appliance/internal/durable/crashfs"
	"appliance/internal/spool"
	"appliance/receiver"
)

// watched is an appliance with a spool in memory, as far as conditions look at it.
func watched(t *testing.T, fsys *crashfs.FS, maxBytes int64) (*conditions, *bytes.Buffer) {
	t.Helper()
	s, err := spool.Open("/spool", spool.Options{FS: fsys, MaxBytes: maxBytes, NoSpare: true, CheckpointEvery: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	var logs bytes.Buffer
	a := &appliance{spool: s, sink: &sinkTo{Spool: s}, logger: slog.New(slog.NewTextHandler(&logs, nil))}
	return &conditions{a: a}, &logs
}

// tick is what look does of the spool.
func (c *conditions) tick() {
	c.a.sink.refusing.look(c.a.spool.TryRoom)
	c.sayRefusing(c.a.sink.refusing.now.Load())
	c.sayFilling(c.a.spool.Fill())
}

func says(t *testing.T, logs *bytes.Buffer, want ...string) {
	t.Helper()
	var got []string
	for line := range strings.Lines(logs.String()) {
		_, msg, _ := strings.Cut(line, "msg=")
		got = append(got, msg)
	}
	logs.Reset()
	if len(got) != len(want) {
		t.Fatalf("said %q, want %q", got, want)
	}
	for i := range want {
		if !strings.HasPrefix(got[i], `"`+want[i]) {
			t.Errorf("said %q, want %q", got[i], want[i])
		}
	}
}

func (c *conditions) keep(t *testing.T, size int) error {
	t.Helper()
	return c.a.sink.Keep(t.Context(), receiver.Batch{Spans: 1, Payload: make([]byte, size)})
}

// A spool that fills, is full and has room again: not ready with the reason while
// spans are refused, and each change is said once.
func TestSpoolFillsAndIsFreeAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, logs := watched(t, crashfs.New(), 8<<20)
		c.tick()
		says(t, logs)
		var err error
		for err == nil {
			if err = c.keep(t, 100<<10); err == nil {
				c.tick()
			}
		}
		says(t, logs, "the spool fills")
		if ready := c.a.ready(); ready == nil || ready.Error() != "spans are refused: the spool is full" {
			t.Errorf("ready: %v", ready)
		}
		for range 5 {
			c.tick()
			time.Sleep(time.Second)
		}
		says(t, logs, "the spool is full;")
		if c.a.ready() == nil {
			t.Error("ready although it is full")
		}
		// Nobody sends anything, and it is ready as soon as there is room.
		for i, err := range c.a.spool.Pending(spool.Position{}) {
			if err == nil {
				err = c.a.spool.Release(i.Position)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		c.tick()
		c.tick()
		says(t, logs, "spans are taken again", "the spool has room again")
		if err := c.a.ready(); err != nil {
			t.Errorf("not ready: %v", err)
		}
		if err := c.keep(t, 100<<10); err != nil {
			t.Error(err)
		}
		_ = c.a.spool.Close() // in the bubble, where its writer is
	})
}

// A full disk, by its size or by a quota, is said once when it begins and once
// when it is over. Under load that it has room for now and then, it is not over.
func TestDiskFullAndFreeAgain(t *testing.T) {
	for _, cause := range []error{syscall.ENOSPC, syscall.EDQUOT} {
		synctest.Test(t, func(t *testing.T) {
			fsys := crashfs.New()
			c, logs := watched(t, fsys, 64<<20)
			fail := func(err error) {
				fsys.Fail(func(op crashfs.Op) error {
					if op.Kind == crashfs.Allocate || op.Kind == crashfs.Write {
						return err
					}
					return nil
				})
			}
			fail(cause)
			refused, ok := errors.AsType[*receiver.UnavailableError](c.keep(t, 1000))
			if !ok || refused.RetryAfter != fullRetry || c.a.sink.Ready() == nil {
				t.Errorf("%v, then %v", refused, c.a.sink.Ready())
			}
			c.tick()
			says(t, logs, "the disk of the spool is full;")
			if ready := c.a.ready(); ready == nil || ready.Error() != "spans are refused: the disk of the spool is full" {
				t.Errorf("ready: %v", ready)
			}
			for range 5 {
				fail(nil)
				if err := c.keep(t, 1000); err != nil {
					t.Error(err)
				}
				fail(cause)
				_ = c.keep(t, 1000)
				c.tick()
				time.Sleep(time.Second)
			}
			says(t, logs)
			fail(nil)
			time.Sleep(refusingFor)
			c.tick()
			c.tick()
			says(t, logs, "spans are taken again")
			if err := c.a.ready(); err != nil {
				t.Errorf("not ready: %v", err)
			}
			_ = c.a.spool.Close()
		})
	}
}

func TestTempoAway(t *testing.T) {
	now := time.Now()
	var f tempoAway
	for i, step := range []struct {
		acked, failures int64
		want            change
	}{
		{0, 0, unchanged},
		{100, 0, unchanged},
		{100, 1, unchanged}, // one request is lost
		{200, 1, unchanged},
		{200, 2, unchanged},
		{200, 3, unchanged},
		{200, 3, unchanged},
		{200, 4, wentAway}, // for three seconds now
		{200, 9, unchanged},
		{200, 9, unchanged},
		{201, 9, cameBack},
		{300, 9, unchanged},
	} {
		got := f.changed(forwarder.Stats{AckedSpans: step.acked, Failures: step.failures, LastError: "refused"}, now.Add(time.Duration(i)*time.Second))
		if got != step.want {
			t.Errorf("step %d: %v, want %v", i, got, step.want)
		}
	}
}

func TestArchiveAway(t *testing.T) {
	at := func(n int) time.Time { return time.Unix(int64(n), 0) }
	var f archiveAway
	for i, step := range []struct {
		failures map[string]int64
		success  int
		want     change
	}{
		{nil, 0, unchanged},
		{map[string]int64{archive.CauseDamaged: 3}, 1, unchanged}, // a single block's
		{map[string]int64{archive.CauseStore: 1}, 2, wentAway},
		{map[string]int64{archive.CauseStore: 2}, 2, unchanged},
		{map[string]int64{archive.CauseStore: 2}, 2, unchanged},
		{map[string]int64{archive.CauseStore: 2}, 3, cameBack},
		{map[string]int64{archive.CauseStore: 2}, 4, unchanged},
		{map[string]int64{archive.CauseStore: 2, archive.CauseFull: 1}, 4, wentAway},
	} {
		if got := f.changed(archive.Status{Failures: step.failures, LastSuccess: at(step.success)}); got != step.want {
			t.Errorf("step %d: %v, want %v", i, got, step.want)
		}
	}
}
