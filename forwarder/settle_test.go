package forwarder

import (
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"appliance/internal/spool"
)

const settle = 400 * time.Millisecond

// settling are the options of a test that looks at the time this takes.
func (k *tempo) settling(s *spool.Spool) Options {
	o := k.options(s)
	o.Settle = settle
	return o
}

// A record stays for the settle time after the acknowledgement, however long it
// took until that came.
func TestSettles(t *testing.T) {
	for name, away := range map[string]time.Duration{"at once": 0, "after a long time": 2 * settle} {
		t.Run(name, func(t *testing.T) {
			k, s := newTempo(t), openSpool(t, t.TempDir())
			from := time.Now().Add(away)
			k.answering(func(w http.ResponseWriter, _ *http.Request, _ request) bool {
				if time.Now().Before(from) {
					w.WriteHeader(http.StatusServiceUnavailable)
					return false
				}
				return true
			})
			keep(t, s, "a", upTo(0, 10)...)
			k.start(k.settling(s))
			empty(t, s)
			left := time.Now()
			got := k.got()
			if d := left.Sub(got[len(got)-1].at); d < settle {
				t.Errorf("it left the spool %s after the request that was taken, settling takes %s", d, settle)
			}
		})
	}
}

// Whoever reads what is pending and then what is unproven learns how much is
// still to be sent, at any moment.
func TestUnprovenIsNeverMoreThanPending(t *testing.T) {
	k, s := newTempo(t), openSpool(t, t.TempDir())
	for i := range 50 {
		keep(t, s, fmt.Sprint("tenant-", i), upTo(i, 1)...) // each a shipment
	}
	f, _ := k.start(k.settling(s))
	for deadline := time.Now().Add(time.Minute); ; {
		pending := s.Status().Pending.Spans
		if unproven := f.Stats().UnprovenSpans; unproven > pending {
			t.Fatalf("%d spans are unproven, %d were pending", unproven, pending)
		}
		if pending == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d spans are still pending", pending)
		}
	}
}

// What was acknowledged within the settle time before Tempo ended is sent
// again: its end shows as a broken connection, or as another process.
func TestEndWhileSettling(t *testing.T) {
	t.Run("broken connection", func(t *testing.T) {
		k, s := newTempo(t), openSpool(t, t.TempDir())
		k.process = ""
		var n atomic.Int64
		k.answering(func(w http.ResponseWriter, r *http.Request, _ request) bool {
			if n.Add(1) == 2 {
				reset(w, r)
				return false
			}
			return true
		})
		keep(t, s, "a", upTo(0, 10)...)
		f, _ := k.start(k.settling(s))
		eventually(t, "the first is acknowledged", func() bool { return f.Stats().AckedSpans == 10 })
		keep(t, s, "a", numbered(10))
		eventually(t, "the first is sent again", func() bool { return f.Stats().Resent["tempo_restarted"] == 10 })
		empty(t, s)
		if sent := k.times(); sent[numbered(0)] != 2 || sent[numbered(10)] != 2 {
			t.Errorf("sent %d and %d times, want 2 each", sent[numbered(0)], sent[numbered(10)])
		}
	})
	t.Run("another process", func(t *testing.T) {
		k, s := newTempo(t), openSpool(t, t.TempDir())
		keep(t, s, "a", upTo(0, 10)...)
		f, _ := k.start(k.holding(s))
		eventually(t, "it is acknowledged", func() bool { return f.Stats().AckedSpans == 10 })
		k.end()
		eventually(t, "it is acknowledged again", func() bool { return f.Stats().AckedSpans == 20 })
		if n := f.Stats().Resent["tempo_restarted"]; n != 10 || s.Status().Pending.Spans != 10 {
			t.Errorf("%d spans are counted as sent again, and %d are pending; want 10 each", n, s.Status().Pending.Spans)
		}
	})
}

// A connection that broke before the acknowledgement costs one request more, not two.
func TestBrokenBeforeAcknowledged(t *testing.T) {
	k, s := newTempo(t), openSpool(t, t.TempDir())
	k.process = ""
	var n atomic.Int64
	k.answering(func(w http.ResponseWriter, r *http.Request, _ request) bool {
		if n.Add(1) == 1 {
			reset(w, r)
			return false
		}
		return true
	})
	keep(t, s, "a", upTo(0, 10)...)
	f, _ := k.start(k.settling(s))
	empty(t, s)
	if len(k.got()) != 2 || f.Stats().Resent["tempo_restarted"] != 0 {
		t.Errorf("%d requests, resent %v", len(k.got()), f.Stats().Resent)
	}
}

// While no Tempo is known nothing settles as ended, and nothing is lost.
func TestUnknownTempoWhileSettling(t *testing.T) {
	k, s := newTempo(t), openSpool(t, t.TempDir())
	k.process = "" // else its silence says it too
	var gone atomic.Bool
	o := k.settling(s)
	o.Target = func() (Target, error) {
		if gone.Load() {
			return Target{}, io.EOF
		}
		return k.target()
	}
	keep(t, s, "a", upTo(0, 10)...)
	f, _ := k.start(o)
	eventually(t, "it is acknowledged", func() bool { return f.Stats().AckedSpans == 10 })
	gone.Store(true)
	eventually(t, "the settle time is over", func() bool { return time.Since(k.got()[0].at) > settle+100*time.Millisecond })
	if s.Status().Pending.Spans != 10 {
		t.Error("a record left the spool while nobody knew whether Tempo had ended")
	}
}

// What Tempo says it rejected or refused is all that is known of it.
func TestChargesWhileSettling(t *testing.T) {
	k, s := newTempo(t), openSpool(t, t.TempDir())
	refuse := refusing(numbered(4))
	k.answering(func(w http.ResponseWriter, r *http.Request, got request) bool {
		if !refuse(w, r, got) {
			return false
		}
		if len(got.spans) > 4 {
			partial(w, 2)
			return false
		}
		return true
	})
	keep(t, s, "a", upTo(0, 10)...)
	f, _ := k.start(k.settling(s))
	empty(t, s)
	eventually(t, "all is counted", func() bool { return f.Stats().ProvenSpans == 7 })
	if c := k.charges(); c["a/refused"] != 1 || c["a/partial_success"] != 2 || len(c) != 2 {
		t.Errorf("charged %v", c)
	}
}

// What Tempo acknowledged is sent again also where it ends between the question
// which run of it this is, and the moment at which that has settled.
func TestEndBehindTheQuestion(t *testing.T) {
	k, s := newTempo(t), openSpool(t, t.TempDir())
	o := k.settling(s)
	o.Settle = time.Second
	var f *Forwarder
	var asked atomic.Int64
	o.Target = func() (Target, error) {
		target, err := k.target()
		// the round before has taken over what was acknowledged
		if f.Stats().AckedSpans == 10 && asked.Add(1) == 2 {
			k.mu.Lock()
			k.process += "'"
			k.mu.Unlock()
			<-time.After(2 * o.Settle) // until it is known
		}
		return target, err
	}
	keep(t, s, "a", upTo(0, 10)...)
	f = New(o)
	k.run(f)
	empty(t, s)
	if n := f.Stats().Resent["tempo_restarted"]; n != 10 {
		t.Errorf("%d spans were sent again, want the 10 that the ended Tempo had", n)
	}
}
