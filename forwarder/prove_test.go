package forwarder

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"appliance/internal/spool"
)

// Of a request of which Tempo took a part only the rest is sent again, and it
// leaves when all of it has settled.
func TestOnlyTheRestIsSentAgain(t *testing.T) {
	k, s := newTempo(t), openSpool(t, t.TempDir())
	for i := range 4 {
		keep(t, s, "a", upTo(25*i, 25)...)
	}
	size := int64(len(payload(upTo(0, 25)))) // so that all goes in two parts
	var parts, failed atomic.Int64
	var healed atomic.Bool
	k.answering(func(w http.ResponseWriter, r *http.Request, _ request) bool {
		switch {
		case r.ContentLength > 2*size:
			w.WriteHeader(http.StatusRequestEntityTooLarge)
		case parts.Load() == 1 && !healed.Load():
			failed.Add(1)
			w.WriteHeader(http.StatusServiceUnavailable)
		default:
			parts.Add(1)
			return true
		}
		return false
	})
	f, _ := k.start(k.options(s))
	eventually(t, "the second part is not taken", func() bool { return failed.Load() > 0 })
	k.idle()
	if st := s.Status(); st.Pending.Spans != 100 {
		t.Errorf("%d of 100 spans are pending, and Tempo has half of them", st.Pending.Spans)
	}
	healed.Store(true)
	empty(t, s)
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, span := range upTo(0, 100) {
		if n := count(k.taken["a"], span); n != 1 {
			t.Errorf("span %v was taken %d times", span, n)
		}
	}
	eventually(t, "all is counted", func() bool { return f.Stats().ProvenSpans == 100 })
}

func count(list []id, s id) (n int) {
	for _, other := range list {
		if other == s {
			n++
		}
	}
	return n
}

// A slow Tempo has one request in flight. That none comes must not keep what is to be sent again.
func TestSentAgainWhileNothingComes(t *testing.T) {
	k, s := newTempo(t), openSpool(t, t.TempDir())
	keep(t, s, "a", upTo(0, 5)...)
	f := New(k.holding(s))
	f.lanes.most = 1
	k.run(f)
	k.gets(5)
	k.end()
	k.gets(10)
}

// A damaged byte in the spool costs the record that it is in: the others settle,
// and that one is counted as lost.
func TestDamageBeforeItIsSentAgain(t *testing.T) {
	for name, place := range map[string]int{"payload": 12, "header": -20} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			k, s := newTempo(t), openSpool(t, dir)
			for i := range 4 {
				keep(t, s, "a", upTo(10*i, 10)...)
			}
			k.answering(func(w http.ResponseWriter, _ *http.Request, _ request) bool {
				w.WriteHeader(http.StatusServiceUnavailable)
				return false
			})
			o := k.options(s)
			o.linger = 200 * time.Millisecond // so that they share a request
			f, _ := k.start(o)
			eventually(t, "all are sent", func() bool { return len(k.times()) == 40 })
			flip(t, dir, payload(upTo(20, 10)), place)
			eventually(t, "the rest is sent", func() bool {
				got := k.got()
				return !slices.Contains(got[len(got)-1].spans, numbered(20))
			})
			k.answering(nil)
			empty(t, s)
			eventually(t, "the damage is counted", func() bool { return s.Status().Lost.Spans == 10 })
			if st := s.Status(); st.Released.Spans != 30 || st.Lost.Records != 1 {
				t.Errorf("released %+v, lost %+v; want 30 and 10 spans", st.Released, st.Lost)
			}
			eventually(t, "the rest is counted as proven", func() bool { return f.Stats().ProvenSpans == 30 })
		})
	}
}

// flip changes a byte of the spool's files, counted from where content begins.
func flip(t *testing.T, dir string, content []byte, place int) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	must(t, err)
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			continue // a directory
		}
		if i := bytes.Index(data, content); i >= 0 {
			file, err := os.OpenFile(name, os.O_RDWR, 0)
			must(t, err)
			_, err = file.WriteAt([]byte{data[i+place] ^ 0x10}, int64(i+place))
			must(t, errors.Join(err, file.Close()))
			return
		}
	}
	t.Fatal("no file holds the content")
}

// Drain returns when Tempo has acknowledged everything, and does not wait for
// what only time can settle.
func TestDrain(t *testing.T) {
	k, s := newTempo(t), openSpool(t, t.TempDir())
	var tries atomic.Int64
	k.answering(func(w http.ResponseWriter, _ *http.Request, _ request) bool {
		if tries.Add(1) <= 3 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return false
		}
		return true
	})
	keep(t, s, "a", upTo(0, 10)...)
	f, _ := k.start(k.holding(s))
	if err := f.Drain(t.Context()); !errors.Is(err, errUnsettled) {
		t.Fatal(err)
	}
	if st, acked := s.Status(), f.Stats().AckedSpans; st.Pending.Spans != 10 || acked != 10 {
		t.Errorf("%d spans are kept and %d were acknowledged, want 10 each", st.Pending.Spans, acked)
	}
}

// A spool in which nothing is pending is drained.
func TestDrainOfNothing(t *testing.T) {
	k, s := newTempo(t), openSpool(t, t.TempDir())
	keep(t, s, "a", upTo(0, 10)...)
	f, _ := k.start(k.options(s))
	empty(t, s)
	must(t, f.Drain(t.Context()))
}

func TestDrainEndsInTime(t *testing.T) {
	k, s := newTempo(t), openSpool(t, t.TempDir())
	keep(t, s, "a", upTo(0, 3)...)
	k.answering(func(w http.ResponseWriter, _ *http.Request, _ request) bool {
		w.WriteHeader(http.StatusServiceUnavailable)
		return false
	})
	f, _ := k.start(k.options(s))
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if err := f.Drain(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Drain returned %v", err)
	}
	if s.Status().Pending.Spans != 3 {
		t.Error("what tempo did not take left the spool")
	}
}

// The end of a run leaves in the spool what has not settled; the next one sends it.
func TestNextRun(t *testing.T) {
	dir := t.TempDir()
	k := newTempo(t)
	s, err := spool.Open(dir, spool.Options{NoSpare: true})
	must(t, err)
	keep(t, s, "a", upTo(0, 7)...)
	_, stop := k.start(k.holding(s))
	k.gets(7)
	stop()
	must(t, s.Close())
	k.end()
	s = openSpool(t, dir)
	k.start(k.options(s))
	k.gets(14)
	empty(t, s)
}
