package forwarder

import (
	"context"
	"testing"
	"time"
)

// Tempo is sent no more than the window before it has made blocks of it, and is asked to make them.
func TestWindow(t *testing.T) {
	k, s := newTempo(t), openSpool(t, t.TempDir())
	const records, spans = 40, 50
	for i := range records {
		keep(t, s, "a", upTo(100*i, spans)...)
	}
	size := int64(len(payload(upTo(0, spans))))
	o := k.options(s)
	o.BatchBytes, o.Window, o.MaxInFlight = int(size), 6*size, 2
	most := 0
	o.Flush = func(context.Context) error {
		k.mu.Lock()
		defer k.mu.Unlock()
		k.flushes++
		most = max(most, len(k.held["a"]))
		k.cutLocked()
		return nil
	}
	o.ResendAfter = time.Second // for an acknowledgement that comes after its block
	f, _ := k.start(o)
	eventually(t, "nearly all is sent", func() bool { return f.Stats().AckedSpans > (records-6)*spans })
	eventually(t, "the rest, which is not worth a flush", func() bool { k.cut(); return status(t, s).Pending.Records == 0 })
	k.mu.Lock()
	defer k.mu.Unlock()
	// The window, what was in flight while it filled, and what was acknowledged since the last round of the proof.
	if limit := (6 + 2*2) * spans; most > limit || k.flushes < 3 {
		t.Errorf("tempo held %d spans at the most, want %d; it was asked %d times to write", most, limit, k.flushes)
	}
}
