package forwarder

import (
	"net/http"
	"sync/atomic"
	"testing"
	"time"
)

// What Tempo acknowledges and says it discarded is charged by its reason to the
// spans that settle, and not more than that.
func TestDiscards(t *testing.T) {
	for name, bad := range map[string][]id{"all": upTo(0, 30), "some": {numbered(2), numbered(11), numbered(12), numbered(29)}, "none": nil} {
		t.Run(name, func(t *testing.T) {
			k, s := newTempo(t), openSpool(t, t.TempDir())
			k.discard("a", "live_traces_exceeded", 1000) // of earlier times, or of others
			o := k.settling(s)
			o.Ask = k.ask
			k.answering(func(_ http.ResponseWriter, _ *http.Request, got request) bool {
				for _, span := range got.spans {
					k.discard("a", "trace_too_large", count(bad, span))
				}
				return true
			})
			for i := range 3 {
				keep(t, s, "a", upTo(10*i, 10)...)
			}
			f, _ := k.start(o)
			empty(t, s)
			eventually(t, "all is counted", func() bool {
				st := f.Stats()
				for _, n := range st.Discarded {
					st.ProvenSpans += n
				}
				return st.ProvenSpans == 30
			})
			if got := k.charges(); got["a/trace_too_large"] != len(bad) || len(got) != min(len(bad), 1) {
				t.Errorf("charged %v, want %d as trace_too_large", got, len(bad))
			}
		})
	}
}

// Tempo counts as discarded also what it answers 429. Those spans are sent
// again, and taken.
func TestDiscardsOfARequestThatWasNotTaken(t *testing.T) {
	k, s := newTempo(t), openSpool(t, t.TempDir())
	var n atomic.Int64
	k.answering(func(w http.ResponseWriter, _ *http.Request, got request) bool {
		if n.Add(1) > 2 {
			return true
		}
		k.discard("a", "rate_limited", len(got.spans))
		w.WriteHeader(http.StatusTooManyRequests)
		return false
	})
	keep(t, s, "a", upTo(0, 10)...)
	o := k.options(s)
	o.Ask = k.ask
	f, _ := k.start(o)
	empty(t, s)
	eventually(t, "all is counted", func() bool { st := f.Stats(); return st.ProvenSpans+st.Discarded["rate_limited"] == 10 })
	if c := k.charges(); len(c) != 0 {
		t.Errorf("charged %v, and all was taken", c)
	}
}

// A span that Tempo refuses again and again while it takes others is given up, and counted.
func TestRefusedAlone(t *testing.T) {
	k, s := newTempo(t), openSpool(t, t.TempDir())
	bad := numbered(7)
	k.answering(func(w http.ResponseWriter, _ *http.Request, got request) bool {
		for _, span := range got.spans {
			if span == bad {
				w.WriteHeader(http.StatusBadRequest)
				return false
			}
		}
		return true
	})
	keep(t, s, "a", bad)
	o := k.settling(s)
	o.linger = time.Millisecond
	f := New(o)
	f.pause = 20 * time.Millisecond
	stop := k.run(f)
	defer stop()
	eventually(t, "it is refused several times", func() bool { return f.Stats().Resent["refused"] >= 2*blameAfter })
	if st := s.Status(); st.Pending.Spans != 1 {
		t.Fatal("it was given up although Tempo took nothing else either")
	}
	keep(t, s, "b", upTo(100, 5)...) // of another tenant, which says nothing
	eventually(t, "the others are taken", func() bool { return f.Stats().ProvenSpans == 5 })
	before := f.Stats().Resent["refused"]
	eventually(t, "it is refused several times more", func() bool { return f.Stats().Resent["refused"] >= before+2*blameAfter })
	for i := range blameAfter - 1 { // the first refusal needs none before it
		before := f.Stats().Resent["refused"]
		keep(t, s, "a", upTo(20+5*i, 5)...)
		eventually(t, "others are taken, and it is refused", func() bool {
			return f.Stats().AckedSpans == int64(5*(i+2)) && (i == blameAfter-2 || f.Stats().Resent["refused"] > before+1)
		})
	}
	empty(t, s)
	eventually(t, "what was taken counts as proven", func() bool { return f.Stats().ProvenSpans == 5*blameAfter })
	if got := k.charges(); got["a/refused"] != 1 || len(got) != 1 {
		t.Errorf("charged %v, want 1 as refused", got)
	}
}

// A Retry-After holds although requests that were in flight are taken
// meanwhile, and is not shortened by later failures.
func TestRetryAfterIsNotShortened(t *testing.T) {
	l := &lane{most: 4, limit: 1}
	l.failed(30*time.Second, "")
	l.took(time.Millisecond)
	l.failed(time.Second, "")
	l.failed(0, "")
	if wait := l.until(time.Now()); wait < 25*time.Second {
		t.Errorf("the next request may go in %s", wait)
	}
}

func TestRetryAfterAsDate(t *testing.T) {
	for value, atLeast := range map[string]time.Duration{
		time.Now().Add(20 * time.Second).UTC().Format(http.TimeFormat): 15 * time.Second,
		time.Now().Add(24 * time.Hour).UTC().Format(http.TimeFormat):   maxRetryAfter,
		"7": 7 * time.Second, "86400": maxRetryAfter, "9223372036854775807": maxRetryAfter, "18446744073": maxRetryAfter, "-3": 0, "soon": 0,
	} {
		got := retryAfter(http.Header{"Retry-After": {value}})
		if got < atLeast || got > max(atLeast, 20*time.Second) && got != maxRetryAfter || atLeast == 0 && got != 0 {
			t.Errorf("%q: %s", value, got)
		}
	}
}

// What a process had discarded when it is first heard of is not ours, unless it
// is a new run: that counts from 0. Of several each has counts of its own.
func TestDiscardsOfProcesses(t *testing.T) {
	type counts = map[string]map[string]int64
	for name, c := range map[string]struct {
		said []Said
		want int
	}{
		"the same":          {[]Said{{1, counts{"a": {"too_large": 100}}}, {1, counts{"a": {"too_large": 100}}}}, 0},
		"more":              {[]Said{{1, counts{"a": {"too_large": 100}}}, {1, counts{"a": {"too_large": 107}}}}, 7},
		"the first":         {[]Said{{1, nil}, {1, counts{"a": {"too_large": 3}}}}, 3},
		"of another tenant": {[]Said{{1, nil}, {1, counts{"b": {"too_large": 3}}}}, 0},
		"a new run":         {[]Said{{1, counts{"a": {"too_large": 100}}}, {2, counts{"a": {"too_large": 5}}}}, 5},
		"two by turns": {[]Said{
			{2, counts{"a": {"too_large": 100}}}, {1, counts{"a": {"too_large": 30}}},
			{2, counts{"a": {"too_large": 100}}}, {1, counts{"a": {"too_large": 32}}},
		}, 2},
	} {
		f := New(Options{})
		f.said.begin("a")
		for _, said := range c.said {
			f.heard(said, time.Now())
		}
		if got, _ := f.said.charges("a", 1000, time.Time{}); got["too_large"] != c.want {
			t.Errorf("%s: charged %v, want %d", name, got, c.want)
		}
	}
}
