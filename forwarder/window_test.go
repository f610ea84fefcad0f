package forwarder

import (
	"context"
	"testing"
	"time"
)

// Tempo is sent no more than the window before it has made blocks of it.
func TestWindow(t *testing.T) {
	k, s := newTempo(t), openSpool(t, t.TempDir())
	const records, spans = 40, 50
	for i := range records {
		keep(t, s, "a", upTo(100*i, spans)...)
	}
	size := int64(len(payload(upTo(0, spans))))
	o := k.options(s)
	o.BatchBytes, o.Window, o.MaxInFlight = int(size), 6*size, 2
	o.ResendAfter = time.Second // for an acknowledgement that comes after its block
	f, _ := k.start(o)
	most := 0
	eventually(t, "everything is proven", func() bool {
		if int(f.digest.held.Load()) >= int(o.Window) || f.Stats().AckedSpans >= records*spans {
			k.mu.Lock()
			most = max(most, len(k.held["a"]))
			k.cutLocked()
			k.mu.Unlock()
		}
		return s.Status().Pending.Records == 0
	})
	// The window, and what was in flight while it filled.
	if limit := (6 + 2*2) * spans; most > limit || most == 0 {
		t.Errorf("tempo held %d spans at the most, want at most %d", most, limit)
	}
}

// Tempo is not asked to flush while it may still cut what it was sent.
func TestDrainWaitsForQuiet(t *testing.T) {
	k, s := newTempo(t), openSpool(t, t.TempDir())
	keep(t, s, "a", upTo(0, 10)...)
	o := k.options(s)
	o.Quiet = 300 * time.Millisecond
	var flushed time.Time
	o.Flush = func(context.Context) error {
		if flushed.IsZero() {
			flushed = time.Now()
		}
		k.cut()
		return nil
	}
	f, _ := k.start(o)
	must(t, f.Drain(t.Context()))
	got := k.got()
	if since := flushed.Sub(got[len(got)-1].at); since < o.Quiet {
		t.Errorf("asked to flush %s after the last request", since)
	}
}
