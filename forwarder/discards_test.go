package forwarder

import (
	"net/http"
	"slices"
	"sync/atomic"
	"testing"
	"time"
)

// discarding acknowledges all, and counts some of it as discarded.
func (k *tempo) discarding(reason string, bad ...id) func(http.ResponseWriter, *http.Request, request) bool {
	return func(_ http.ResponseWriter, _ *http.Request, got request) bool {
		good := slices.DeleteFunc(slices.Clone(got.spans), func(s id) bool { return slices.Contains(bad, s) })
		k.discard(got.tenant, reason, len(got.spans)-len(good))
		k.take(got.tenant, good)
		return false
	}
}

// What Tempo acknowledges and discards is charged by its reason, once the proof did not come.
func TestDiscards(t *testing.T) {
	for name, bad := range map[string][]id{"all": upTo(0, 30), "some": {numbered(2), numbered(11), numbered(12), numbered(29)}, "none": nil} {
		t.Run(name, func(t *testing.T) {
			k, s := newTempo(t), openSpool(t, t.TempDir())
			k.answering(k.discarding("live_traces_exceeded", bad...))
			k.autoFlow = true
			for i := range 3 {
				keep(t, s, "a", upTo(10*i, 10)...)
			}
			o := k.options(s)
			o.ResendAfter = 100 * time.Millisecond
			o.Discards = k.askDiscards
			f, _ := k.start(o)
			empty(t, s)
			want := len(bad)
			eventually(t, "all is counted", func() bool {
				st := f.Stats()
				return st.ProvenSpans+st.Discarded["live_traces_exceeded"] == 30
			})
			if c := k.charges(); c["a/live_traces_exceeded"] != want || len(c) != min(want, 1) {
				t.Errorf("charged %v, want %d", c, want)
			}
			for _, span := range upTo(0, 30) {
				if slices.Contains(bad, span) == k.inBlock["a"][span] {
					t.Errorf("span %v: discarded %t, in a block %t", span, slices.Contains(bad, span), k.inBlock["a"][span])
				}
			}
		})
	}
}

// Tempo counts as discarded also what it answers 429; that says nothing of the request that it took afterwards.
func TestDiscardsOfARequestThatWasNotTaken(t *testing.T) {
	k, s := newTempo(t), openSpool(t, t.TempDir())
	var n atomic.Int64
	k.answering(func(w http.ResponseWriter, _ *http.Request, got request) bool {
		if n.Add(1) == 2 { // the first one that is sent again
			k.discard("a", "rate_limited", len(got.spans))
			w.WriteHeader(http.StatusTooManyRequests)
			return false
		}
		return true
	})
	keep(t, s, "a", upTo(0, 10)...)
	o := k.options(s)
	o.ResendAfter = 100 * time.Millisecond
	o.Discards = k.askDiscards
	f, _ := k.start(o)
	eventually(t, "it is sent again and again", func() bool { return f.Stats().Resent["not_in_a_block"] >= 30 })
	if st := s.Status(); st.Pending.Spans != 10 || len(k.charges()) != 0 {
		t.Fatalf("%d of 10 spans are pending, charged %v", st.Pending.Spans, k.charges())
	}
	k.passes(3)
	k.cut()
	empty(t, s)
	if c := k.charges(); len(c) != 0 {
		t.Errorf("charged %v", c)
	}
}

// Fewer discards than spans that are missing explain nothing.
func TestTooFewDiscards(t *testing.T) {
	k, s := newTempo(t), openSpool(t, t.TempDir())
	k.answering(func(_ http.ResponseWriter, _ *http.Request, got request) bool {
		k.discard("a", "trace_too_large", len(got.spans)-1)
		return false
	})
	keep(t, s, "a", upTo(0, 10)...)
	o := k.options(s)
	o.ResendAfter = 50 * time.Millisecond
	o.Discards = k.askDiscards
	f, _ := k.start(o)
	eventually(t, "it is sent again and again", func() bool { return f.Stats().Resent["not_in_a_block"] >= 50 })
	if st := s.Status(); st.Pending.Spans != 10 || len(k.charges()) != 0 {
		t.Errorf("%d of 10 spans are pending, charged %v", st.Pending.Spans, k.charges())
	}
}
